/** One rule of a frontend: what it matches, what it does, and its backends with their live numbers. */
import type { ConfigBackend, ConfigFrontend, ConfigMatch, ConfigRule, ConfigTarget } from './answers.ts';
import { h } from './dom.ts';
import { filterText, formatProtocol, formatShare, matchParts, policyTexts, targetKey, weightShares } from './format.ts';
import type { History } from './history.ts';
import { labelsOf } from './model.ts';
import { mirrorCells, RATE_COLUMNS, rateCells, reachDot, type Live } from './rate-cells.ts';

const MAX_MATCHES = 8;

export interface RuleView {
  readonly element: HTMLElement;
  update(): void;
}

/** `position`: in the order of precedence, from 1. */
export function ruleView(history: History, frontend: ConfigFrontend, rule: ConfigRule, position: number): RuleView {
  const live: Live[] = [];
  const rows: HTMLElement[] = [];
  const add = (labels: ReturnType<typeof labelsOf>, mirror: boolean): Live => {
    const ids = (): readonly number[] => history.idsOf(labels);
    const cells = mirror ? mirrorCells(history, ids) : rateCells(history, ids);
    live.push(cells);
    return cells;
  };
  const watchedAddress = (backend: ConfigBackend, labels: ReturnType<typeof labelsOf>): HTMLElement => {
    const cell = addressCell(backend);
    const reach = reachDot(history, () => history.idsOf(labels), cell.firstElementChild as HTMLElement);
    cell.append(...reach.elements);
    live.push(reach);
    return cell;
  };
  const shares = weightShares(rule.backends);
  for (const [index, backend] of rule.backends.entries()) {
    const cells = add(labelsOf(frontend, rule, backend), false);
    const labels = labelsOf(frontend, rule, backend);
    rows.push(backendRow(backend, shares[index]!, cells, watchedAddress(backend, labels)), ...messageRow(backend));
    for (const mirror of backend.mirrors) {
      const part = mirror.numerator / mirror.denominator;
      rows.push(mirrorRow(mirror, part, add(labelsOf(frontend, rule, mirror), true)), ...messageRow(mirror));
    }
  }
  if (answersItself(rule)) rows.push(ownRow(add(labelsOf(frontend, rule, null), false)));
  const name = `rule ${rule.rule}${rule.name === null ? '' : ` (${rule.name})`}`;
  const element = h(
    'article',
    { class: 'rule', 'data-rule': `${rule.route}#${rule.rule}` },
    h(
      'header',
      {},
      h('span', { class: 'position', title: 'Order of precedence' }, String(position)),
      h('div', { class: 'matches' }, ...matchLines(rule.matches)),
      h('span', { class: 'origin' }, `${rule.route} `, h('small', {}, name)),
    ),
    actions(rule),
    rule.refused === null || redirects(rule)
      ? null
      : h('p', { class: 'bad note' }, refusalText(rule.kind, rule.refused)),
    rows.length === 0 ? null : backendTable(rows),
  );
  return {
    element,
    update: () => {
      for (const cells of live) cells.update();
    },
  };
}

/** The routes of gRPC serve calls alone. */
function refusalText(kind: string, { status, grpc, reason, message }: NonNullable<ConfigRule['refused']>): string {
  return `Answers ${kind === 'GRPCRoute' ? (grpc ?? status) : status} ${reason}: ${message}`;
}

/** It needs no backend then. */
function redirects({ filters }: ConfigRule): boolean {
  return filters.some(({ type }) => type === 'RequestRedirect');
}

/** A redirect, a preflight or a refusal is counted without a backend. */
function answersItself(rule: ConfigRule): boolean {
  return rule.refused !== null || redirects(rule) || rule.filters.some(({ type }) => type === 'CORS');
}

function matchLines(matches: readonly ConfigMatch[]): HTMLElement[] {
  const shown = matches.slice(0, MAX_MATCHES);
  const lines = shown.map((match, index) => {
    const parts = matchParts(match);
    const line = h('div', {}, index === 0 ? null : h('i', {}, 'or '));
    if (parts.length === 0) line.append(h('span', { class: 'every' }, 'every request'));
    for (const { part, relation, value } of parts) {
      line.append(h('span', { class: 'match' }, h('i', {}, `${part} ${relation} `), h('code', {}, value)));
    }
    return line;
  });
  const left = matches.length - shown.length;
  return left === 0 ? lines : [...lines, h('div', {}, h('i', {}, `or one of ${left} more`))];
}

function actions(rule: ConfigRule): HTMLElement | null {
  const texts = [...rule.filters.map((filter) => filterText(filter)), ...policyTexts(rule)];
  if (texts.length === 0) return null;
  return h('ul', { class: 'actions' }, ...texts.map((text) => h('li', {}, text)));
}

function backendTable(rows: readonly HTMLElement[]): HTMLElement {
  const columns = ['Backend', 'Share', ...RATE_COLUMNS, 'Address'];
  return h(
    'table',
    { class: 'backends' },
    h('thead', {}, h('tr', {}, ...columns.map((name) => h('th', { scope: 'col' }, name)))),
    h('tbody', {}, ...rows),
  );
}

function backendRow(backend: ConfigBackend, share: number, cells: Live, address: HTMLElement): HTMLElement {
  const key = backend.kind === 'Service' ? targetKey(backend) : `${backend.kind} ${targetKey(backend)}`;
  const bar = h('span', { class: 'bar' }, h('span'));
  (bar.firstChild as HTMLElement).style.width = `${share * 100}%`;
  const filters = backend.filters.map((filter) => h('small', {}, filterText(filter)));
  return h(
    'tr',
    { 'data-backend': key },
    h('th', { scope: 'row' }, h('span', {}, key), ...filters),
    h(
      'td',
      { 'data-label': 'Share', class: 'number share' },
      formatShare(share),
      h('small', {}, `weight ${backend.weight}`),
      bar,
    ),
    ...cells.elements,
    address,
  );
}

function mirrorRow(mirror: ConfigTarget, part: number, cells: Live): HTMLElement {
  return h(
    'tr',
    { class: 'mirror', 'data-mirror': targetKey(mirror) },
    h('th', { scope: 'row' }, h('span', {}, targetKey(mirror)), h('small', {}, 'mirror')),
    h('td', { 'data-label': 'Share', class: 'number share' }, formatShare(part), h('small', {}, 'copies')),
    ...cells.elements,
    addressCell(mirror),
  );
}

function ownRow(cells: Live): HTMLElement {
  return h(
    'tr',
    { 'data-backend': '' },
    h('th', { scope: 'row' }, h('span', {}, 'answered by sideroute')),
    h('td', { class: 'fill' }),
    ...cells.elements,
    h('td', { class: 'fill' }),
  );
}

function addressCell({ state, addresses, protocol }: ConfigTarget): HTMLElement {
  const text = state === 'resolved' ? addresses.join(', ') : state;
  const spoken = protocol === null ? [] : [h('span', { class: 'protocol' }, `in ${formatProtocol(protocol)}`)];
  const attributes = { 'data-label': 'Address', class: 'address' };
  return h('td', attributes, h('span', { class: `dot ${state}` }, text), ...spoken);
}

/** Why an address is not known, or only an old one. */
function messageRow({ state, message }: ConfigTarget): HTMLElement[] {
  if (message === null) return [];
  return [h('tr', { class: 'message' }, h('td', { colspan: '9', class: state === 'resolved' ? '' : 'bad' }, message))];
}
