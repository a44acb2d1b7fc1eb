/** What is beside the frontends: facts of the process, tiles, problems, and tables of errors, upstreams and passthrough. */
import type { Config, ConfigProblem, Stats } from './answers.ts';
import { byId, h, LiveTable, setText, Sparkline, toggleClass, type Row } from './dom.ts';
import {
  formatBytes,
  formatCount,
  formatMs,
  formatRate,
  formatShare,
  formatUptime,
  PASSTHROUGH_TEXTS,
} from './format.ts';
import type { History } from './history.ts';
import { faultsOf } from './model.ts';

const MAX_PROBLEMS = 20;
const MAX_UPSTREAMS = 30;
const BADGES: Readonly<Record<ConfigProblem['severity'], string>> = { error: 'bad', warning: 'warn', note: '' };
const FACTS = ['Configuration', 'Uptime', 'Memory', 'CPU', 'Event-loop delay'] as const;
const TILES = ['Error share', 'p50', 'p99', 'In progress', 'Connections', 'Tunnels'] as const;

export class OverviewView {
  readonly #history: History;
  readonly #facts: HTMLElement[];
  readonly #rate = h('b');
  readonly #chart = new Sparkline();
  readonly #tiles: HTMLElement[];
  readonly #errors = new LiveTable('Errors and own replies', ['Reason', 'Now/s', 'Total'], 'None since the start.');
  readonly #calls = new LiveTable('Calls of gRPC', ['Status', 'Now/s', 'Total'], 'None since the start.');
  readonly #upstreams = new LiveTable(
    'Upstream connections',
    ['Backend', 'Active', 'Idle', 'Opening', 'Queued', 'Failed', 'Req/s'],
    'None yet.',
  );
  readonly #passthrough = new LiveTable('Passthrough', ['Reason', 'Now/s', 'Total'], 'None since the start.');

  constructor(history: History) {
    this.#history = history;
    this.#facts = FACTS.map((name) => {
      const value = h('dd');
      byId('facts').append(h('div', {}, h('dt', {}, name), value));
      return value;
    });
    const first = h('div', { class: 'tile chart' }, h('span', {}, this.#rate, ' requests/s'), this.#chart.element);
    this.#tiles = TILES.map(() => h('b'));
    byId('tiles').append(
      first,
      ...TILES.map((name, index) => h('div', { class: 'tile' }, this.#tiles[index]!, h('span', {}, name))),
    );
    byId('errors').append(this.#errors.element, this.#calls.element);
    byId('upstreams').append(this.#upstreams.element);
    byId('passthrough').append(this.#passthrough.element);
  }

  update(): void {
    const stats = this.#history.last;
    if (stats === null) return;
    this.#updateProcess(stats);
    this.#updateTiles(stats);
    this.#errors.update(this.#errorRows());
    this.#updateCalls();
    this.#updateUpstreams(stats);
    this.#passthrough.update(this.#passthroughRows(stats));
  }

  setConfig(config: Config): void {
    const held = [
      ...config.heldFiles.map((file) => h('li', {}, h('strong', {}, file), ' serves its last good content.')),
      ...config.heldRoutes.map((route) => h('li', {}, h('strong', {}, route), ' is served in its last good version.')),
    ];
    showList('problems', config.problems.length, [
      ...held,
      ...config.problems.slice(0, MAX_PROBLEMS).map(problemItem),
      ...leftItem(config.problems.length, '/config'),
    ]);
    const faults = faultsOf(config);
    showList('faults', faults.length, [
      ...faults.slice(0, MAX_PROBLEMS).map(({ route, parent, condition, place }) => {
        const { type, status, reason, message } = condition;
        return h(
          'li',
          {},
          h('strong', {}, `${route}${parent === '' ? '' : ` for ${parent}`}`),
          h('div', {}, h('code', {}, `${type}=${status} ${reason}`), ` ${message} `, h('small', {}, place)),
        );
      }),
      ...leftItem(faults.length, '/config'),
    ]);
  }

  #updateProcess({ version, node, config, uptimeMs, process, draining }: Stats): void {
    setText(byId('version'), `${version} · Node ${node.replace(/^v/, '')}`);
    const hash = config.hash === '' ? 'none' : config.hash.slice(0, 12);
    const validity = config.valid ? 'valid' : 'has errors';
    const delay = process.loopDelayMs;
    const texts = [
      `generation ${config.generation} · ${hash} · ${validity}`,
      `${formatUptime(uptimeMs)}${draining ? ', draining' : ''}`,
      `${formatBytes(process.rssBytes)} (heap ${formatBytes(process.heapUsedBytes)})`,
      this.#history.ready ? formatShare(this.#history.rate((stats) => stats.process.cpuMs) / 1_000) : '…',
      delay === null ? '…' : `${formatMs(delay.mean)} mean, ${formatMs(delay.p99)} p99`,
    ];
    for (const [index, text] of texts.entries()) setText(this.#facts[index]!, text);
    this.#facts[0]!.title = config.hash;
    toggleClass(this.#facts[0]!, 'bad', !config.valid);
  }

  #updateTiles({ connections }: Stats): void {
    const { perSecond, errorShare, p50Ms, p99Ms } = this.#history.totalRates();
    const ready = this.#history.ready;
    setText(this.#rate, ready ? formatRate(perSecond) : '…');
    this.#chart.update(this.#history.totalCurve('requests'), this.#history.totalCurve('errors'));
    const texts = [
      ...(ready ? [formatShare(errorShare), formatMs(p50Ms), formatMs(p99Ms)] : ['…', '…', '…']),
      ...[connections.openRequests, connections.downstream, connections.tunnels].map(formatCount),
    ];
    for (const [index, text] of texts.entries()) setText(this.#tiles[index]!, text);
    toggleClass(this.#tiles[0]!, 'bad', (errorShare ?? 0) > 0);
  }

  #errorRows(): Row[] {
    const { reasons } = this.#history.catalog;
    return this.#history
      .reasons()
      .sort((a, b) => b.perSecond - a.perSecond || b.total - a.total)
      .map(({ reason, total, perSecond }) => {
        const entry = reasons[reason];
        const bad = perSecond > 0 && entry?.source !== 'route';
        return {
          key: reason,
          cells: [reason, formatRate(perSecond), formatCount(total)],
          notes: { 0: entry === undefined ? '' : entry.text },
          classes: { 0: 'mono', ...(bad ? { 1: 'bad' } : {}) },
        };
      });
  }

  /** Shown where there are any. */
  #updateCalls(): void {
    const { grpcFaults } = this.#history.catalog;
    const statuses = this.#history.callStatuses();
    this.#calls.element.hidden = statuses.length === 0;
    this.#calls.update(
      statuses
        .sort((a, b) => b.perSecond - a.perSecond || b.total - a.total)
        .map(({ status, total, perSecond }) => ({
          key: status,
          cells: [status, formatRate(perSecond), formatCount(total)],
          classes: { 0: 'mono', ...(perSecond > 0 && grpcFaults.includes(status) ? { 1: 'bad' } : {}) },
        })),
    );
  }

  #passthroughRows({ passthrough }: Stats): Row[] {
    return Object.entries(passthrough)
      .filter(([, total]) => total > 0)
      .map(([reason, total]) => {
        const perSecond = this.#history.rate((stats) => stats.passthrough[reason] ?? 0);
        return {
          key: reason,
          cells: [reason, formatRate(perSecond), formatCount(total)],
          notes: { 0: PASSTHROUGH_TEXTS[reason] ?? '' },
          classes: { 0: 'mono' },
        };
      });
  }

  #updateUpstreams({ upstreams }: Stats): void {
    const rows = upstreams.map((entry, index): Row & { busy: number } => {
      const { backend, address, port, active, idle, connecting, queued, connectFailures } = entry;
      const key = `${backend ?? ''} ${address} ${port}`;
      const at = (stats: Stats): Stats['upstreams'][number] | undefined => {
        const same = stats.upstreams[index];
        const matches = (other: typeof same): boolean =>
          other?.address === address && other.port === port && other.backend === backend;
        return matches(same) ? same : stats.upstreams.find(matches);
      };
      const perSecond = this.#history.rate((stats) => at(stats)?.requests ?? 0);
      const failing = this.#history.rate((stats) => at(stats)?.connectFailures ?? 0) > 0;
      return {
        key,
        busy: active + connecting + queued + perSecond + (failing ? 1e6 : 0),
        cells: [
          backend ?? 'original destination',
          ...[active, idle, connecting, queued, connectFailures].map(formatCount),
          formatRate(perSecond),
        ],
        notes: { 0: address.includes(':') ? `[${address}]:${port}` : `${address}:${port}` },
        classes: { ...(queued > 0 ? { 4: 'bad' } : {}), ...(failing ? { 5: 'bad' } : {}) },
      };
    });
    // In their order as long as all have room, so that lines do not jump.
    if (rows.length > MAX_UPSTREAMS) rows.sort((a, b) => b.busy - a.busy);
    this.#upstreams.update(rows.slice(0, MAX_UPSTREAMS), Math.max(0, rows.length - MAX_UPSTREAMS));
  }
}

function showList(id: string, count: number, items: readonly HTMLElement[]): void {
  const section = byId(id);
  section.hidden = items.length === 0;
  setText(section.querySelector('.count')!, String(count));
  section.querySelector('ul')!.replaceChildren(...items);
}

function leftItem(count: number, where: string): HTMLElement[] {
  return count > MAX_PROBLEMS ? [h('li', {}, `and ${formatCount(count - MAX_PROBLEMS)} more in ${where}`)] : [];
}

function problemItem({ severity, file, line, document, resource, path, message }: ConfigProblem): HTMLElement {
  const place = `${file}${line === null ? ` document ${document}` : `:${line}`}`;
  const what = [resource, path].filter((text) => text !== null && text !== '').join(' ');
  return h(
    'li',
    {},
    h('span', { class: `badge ${BADGES[severity]}` }, severity),
    ' ',
    h('strong', {}, what === '' ? place : what),
    h('div', {}, `${message} `, h('small', {}, what === '' ? '' : place)),
  );
}
