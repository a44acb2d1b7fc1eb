/**
 * The content of a scrape of the controller. docs/controller.md lists it; a test compares the two.
 *
 * Stage before: the parts of the controller, read at the moment of the scrape. Stage after: the public endpoint.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { KubeTraffic } from '../kube/client.ts';
import type { Exposition } from '../observe/exposition.ts';

export interface QueueFigures {
  readonly depth: number;
  readonly done: number;
  readonly failed: number;
}

/** Read at every scrape. */
export interface ControllerSources {
  readonly version: string;
  leading(): boolean;
  terms(): number;
  synced(): boolean;
  queues(): Readonly<Record<string, QueueFigures>>;
  writes(): Readonly<Record<string, number>>;
  repairs(): number;
  conflicts(): number;
  tooLarge(): number;
  statusLeftOut(): number;
  objects(): Readonly<Record<string, number>>;
  watches(): readonly {
    readonly kind: string;
    readonly current: boolean;
    readonly rejected: number;
    readonly lists: number;
  }[];
  traffic(): KubeTraffic;
  nudges(): Readonly<Record<string, number>>;
  /** Null: the webhook is off. */
  webhook(): { readonly outcomes: Readonly<Record<string, number>>; readonly certificateEndsAtMs: number } | null;
  unconfirmed(): { readonly pods: number; readonly oldestMs: number };
}

export interface ControllerMetrics extends Exposition {
  /** A sidecar has confirmed a set that was written this many milliseconds ago. */
  delivered(ms: number): void;
}

const DELIVERY_BUCKETS_SECONDS = [0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120];

export function createControllerMetrics(sources: ControllerSources): ControllerMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const gauge = (name: string, help: string, value: () => number): void => {
    new Gauge({
      ...{ name: `sideroute_controller_${name}`, help, registers },
      collect() {
        this.set(value());
      },
    });
  };
  type Each = () => Iterable<readonly [labels: Record<string, string>, value: number]>;
  const gauges = (name: string, help: string, labelNames: readonly string[], each: Each): void => {
    new Gauge({
      ...{ name: `sideroute_controller_${name}`, help, labelNames, registers },
      collect() {
        this.reset();
        for (const [labels, value] of each()) this.set(labels, value);
      },
    });
  };
  const totals = (name: string, help: string, labelNames: readonly string[], each: Each): void => {
    new Counter({
      ...{ name: `sideroute_controller_${name}_total`, help, labelNames, registers },
      collect() {
        this.reset();
        for (const [labels, value] of each()) this.inc(labels, value);
      },
    });
  };
  const by =
    (label: string, values: () => Readonly<Record<string, number>>): Each =>
    () =>
      Object.entries(values()).map(([key, value]) => [{ [label]: key }, value] as const);
  const queues = (of: (figures: QueueFigures) => number): Each =>
    by('queue', () => Object.fromEntries(Object.entries(sources.queues()).map(([name, queue]) => [name, of(queue)])));

  new Gauge({
    ...{ name: 'sideroute_build_info', help: 'Version of sideroute and of Node.js; always 1.', registers },
    labelNames: ['version', 'node'],
  }).set({ version: sources.version, node: process.version }, 1);
  gauge('leader', '1 while this replica leads: it alone writes.', () => (sources.leading() ? 1 : 0));
  totals('terms', 'Times that this replica has begun to lead.', [], () => [[{}, sources.terms()]]);
  gauge('synced', '1 once everything it watches has been read.', () => (sources.synced() ? 1 : 0));
  gauges(
    'queue_depth',
    'What waits or is worked at: sets, namespaces; status, routes; nudges, pods.',
    ['queue'],
    queues(({ depth }) => depth),
  );
  totals(
    'work',
    'Pieces of work done, by queue; most find nothing to write.',
    ['queue'],
    queues(({ done }) => done),
  );
  totals(
    'errors',
    'Pieces of work that failed and are tried again, by queue.',
    ['queue'],
    queues(({ failed }) => failed),
  );
  totals(
    'writes',
    'Objects written: configmap, a shard of a route set; configmap_delete; status, of a route; pod, its annotation.',
    ['object'],
    by('object', () => sources.writes()),
  );
  totals(
    'repairs',
    'Route sets written again because somebody else had changed or removed their ConfigMaps.',
    [],
    () => [[{}, sources.repairs()]],
  );
  totals('conflicts', 'Status writes that met another version of the route and were tried again.', [], () => [
    [{}, sources.conflicts()],
  ]);
  gauge('sets_too_large', 'Namespaces whose routes are more than their ConfigMaps hold; their last set stays.', () =>
    sources.tooLarge(),
  );
  totals('status_left_out', 'Entries of status without room among the 32 of a route.', [], () => [
    [{}, sources.statusLeftOut()],
  ]);
  gauges(
    'objects',
    'Objects kept, by kind: pods with a sidecar, namespaces with a set, routes that name a Service as parent.',
    ['kind'],
    by('kind', () => sources.objects()),
  );
  gauges('watch_current', '1 while the objects of a kind are watched, 0 while they cannot be read.', ['kind'], () =>
    sources.watches().map(({ kind, current }) => [{ kind }, current ? 1 : 0] as const),
  );
  totals('lists', 'Times that all objects of a kind were read.', ['kind'], () =>
    sources.watches().map(({ kind, lists }) => [{ kind }, lists] as const),
  );
  totals('rejected_objects', 'Objects that could not be read and are left out.', ['kind'], () =>
    sources.watches().map(({ kind, rejected }) => [{ kind }, rejected] as const),
  );
  totals('api_requests', 'Requests to the API server; status 0: no answer.', ['method', 'status'], () =>
    [...sources.traffic().requests].map(([key, count]) => {
      const [method = '', status = ''] = key.split(' ');
      return [{ method, status }, count] as const;
    }),
  );
  totals('api_bytes', 'Bytes of bodies to and from the API server.', ['direction'], () => {
    const { bytesSent, bytesReceived } = sources.traffic();
    return [
      [{ direction: 'sent' }, bytesSent],
      [{ direction: 'received' }, bytesReceived],
    ];
  });
  totals(
    'nudges',
    'Nudges by what came of them: sent; confirmed, the sidecar serves the set; assumed, it could not be asked; late, it did not ' +
      'serve it within three minutes and is told on, less and less often; failed, the pod could not be written.',
    ['result'],
    by('result', () => sources.nudges()),
  );
  totals(
    'webhook_reviews',
    'Pods that the API server has asked the webhook about: injected; untouched; refused; bad, no review of a pod; crowded, the largest of too many at once; failed.',
    ['outcome'],
    by('outcome', () => sources.webhook()?.outcomes ?? {}),
  );
  gauge(
    'webhook_certificate_end_seconds',
    'When the certificate of the webhook ends, in seconds of Unix time; 0 without a webhook.',
    () => (sources.webhook()?.certificateEndsAtMs ?? 0) / 1000,
  );
  gauge('unconfirmed_pods', 'Pods that may not serve yet what was written for them.', () => sources.unconfirmed().pods);
  gauge(
    'oldest_unconfirmed_seconds',
    'Age of the oldest change that some pod may not serve yet; 0 when there is none.',
    () => sources.unconfirmed().oldestMs / 1_000,
  );
  const delivery = new Histogram({
    name: 'sideroute_controller_delivery_seconds',
    help: 'From the write of a route set to the sidecar that says it serves it.',
    buckets: DELIVERY_BUCKETS_SECONDS,
    registers,
  });
  return {
    contentType: registry.contentType,
    async *render() {
      yield await registry.metrics();
    },
    delivered: (ms) => delivery.observe(ms / 1_000),
  };
}
