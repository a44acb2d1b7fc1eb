/**
 * The sidecar in a real memory cgroup of the size that the manifests give it, and of half of that, under clients that hold
 * memory: it is not killed, its endpoints go on answering, whoever is refused is told why, and the memory returns.
 *
 * SIDEROUTE_FULL=1: every kind of load at both sizes.
 */
import t from 'tap';

import { eventually } from '../support/eventually.ts';
import type { StressKind } from '../support/fixtures/stress-client.ts';
import { memoryStage, MIB, SERVICES, type Load, type MemoryStage } from '../support/memory-stage.ts';

const FULL = process.env['SIDEROUTE_FULL'] === '1';
/** How long the load lasts once the sidecar had to refuse: a span to be exposed to it, not a synchronisation. */
const EXPOSED_MS = FULL ? 30_000 : 4_000;
const DEADLINE_MS = 150_000;
/** What a process that has had much to do keeps, beyond what it began with: V8 among others. */
const KEPT_MIB = 20;
t.setTimeout(FULL ? 1_800_000 : 600_000);

interface Case {
  readonly kind: StressKind;
  readonly connections: number;
  readonly service?: keyof typeof SERVICES;
  /** Sizes at which it is run always. */
  readonly always: readonly number[];
  /** Sizes at which there cannot be enough for all. */
  readonly sheds: readonly number[];
}

const CASES: readonly Case[] = [
  { kind: 'stalled', connections: 4_900, always: [], sheds: [128] },
  { kind: 'heads', connections: 4_500, always: [128], sheds: [256, 128] },
  { kind: 'bodies', connections: 2_000, service: 'retried', always: [128], sheds: [128] },
  { kind: 'uploads', connections: 2_500, always: [], sheds: [] },
  { kind: 'idle', connections: 9_000, always: [], sheds: [] },
  { kind: 'large', connections: 500, always: [], sheds: [] },
  { kind: 'posts', connections: 500, service: 'mirrored', always: [], sheds: [] },
];

/** Sum of all samples of a family whose labels match. */
function sum(metrics: string, line: RegExp): number {
  return metrics
    .split('\n')
    .filter((text) => line.test(text))
    .reduce((total, text) => total + Number(text.slice(text.lastIndexOf(' ') + 1)), 0);
}

interface Seen {
  readonly metrics: string;
  /** From before that: whatever clients have seen by then has been counted. */
  readonly report: Load['report'];
}

/** Asks the endpoints all the time; each answer must come. Resolves with what was seen last. */
async function observe({ sidecar }: MemoryStage, load: Load, connections: number): Promise<Seen> {
  const startMs = performance.now();
  let refusedAtMs: number | null = null;
  let buffered = -1;
  let quiet = 0;
  for (;;) {
    const { report } = load;
    const [live, metrics] = await Promise.all([sidecar.ask('/livez'), sidecar.ask('/metrics')]);
    if (live !== 'ok\n') throw new Error(`/livez: ${live}`);
    const nowMs = performance.now();
    if (sum(metrics, /^sideroute_overloaded /) === 1) refusedAtMs ??= nowMs;
    const { opening, open, ended, reset, refused } = report;
    // Until nothing is on its way any more.
    const nowBuffered = sum(metrics, /^sideroute_buffered_bytes /);
    quiet = nowBuffered === buffered ? quiet + 1 : 0;
    buffered = nowBuffered;
    const settled = opening === 0 && open + ended + reset + refused >= connections && quiet >= 3;
    if (settled || (refusedAtMs !== null && nowMs - refusedAtMs > EXPOSED_MS)) return { metrics, report };
    if (nowMs - startMs > DEADLINE_MS) throw new Error(`not settled: ${JSON.stringify(report)}`);
  }
}

for (const { kind, connections, service = 'web', always, sheds } of CASES) {
  for (const limitMiB of FULL ? [256, 128] : always) {
    t.test(`${connections} ${kind} in ${limitMiB} MiB: nobody is killed`, { timeout: 280_000 }, async (t) => {
      const stage = await memoryStage(t, limitMiB, { heapMiB: limitMiB / 2 });
      const { cgroup, sidecar } = stage;
      t.equal(sum(await sidecar.ask('/metrics'), /^sideroute_memory_limit_bytes /), limitMiB * MIB);
      const before = cgroup.held;
      const load = stage.load({ kind, connections, host: SERVICES[service] });
      const { metrics, report } = await observe(stage, load, connections);
      const passedOn = sum(metrics, /^sideroute_passthrough_connections_total\{reason="own_dial"/);
      t.comment(
        `${JSON.stringify(report)}; ${Math.round(cgroup.held / MIB)} MiB held, the limit met ${cgroup.limitHits} times, ` +
          `${passedOn} dials passed on`,
      );

      t.equal(cgroup.oomKills, 0, 'no kill');
      t.equal(sidecar.process.exitCode ?? sidecar.process.signalCode, null, 'the process is there');
      const { answers, reset, refused } = report;
      t.same(
        Object.keys(answers).filter((answer) => !['200', '503 overload'].includes(answer)),
        [],
        'an answer is one of the backend, or says why there is none',
      );
      t.equal(refused, 0);
      if (sheds.includes(limitMiB)) {
        const told = (answers['503 overload'] ?? 0) + reset;
        const counted =
          // A request may have been on its way to a connection that waited for one.
          sum(metrics, /^sideroute_idle_connections_closed_total /) +
          sum(metrics, /^sideroute_refused_requests_total\{reason="overload"\}/) +
          sum(metrics, /^sideroute_requests_total\{.*reason="overload"/);
        t.ok(counted >= told, `${counted} counted with the reason, ${told} seen by clients`);
        t.ok(sidecar.log.some((line) => line.includes('"reason":"overload"')));
      }

      await load.giveUp();
      let state = '';
      await eventually(
        'the memory to return',
        () => {
          state = `${Math.round(before / MIB)} MiB before, ${Math.round(cgroup.held / MIB)} now`;
          return cgroup.held < before + KEPT_MIB * MIB && sidecar.metric(/^sideroute_overloaded /) === 0;
        },
        20_000,
      ).finally(() => t.comment(state));
      t.match(stage.client.must(['curl', '-sS', '--max-time', '30', `http://${SERVICES.web}/`]), 'ok');
      t.equal(cgroup.oomKills, 0);
    });
  }
}
