/**
 * `npm run soak -- [--minutes 60] [--rate 400] [--fault-every 4] [--plant] [--report FILE.md] [--json FILE]`: mixed traffic through a real
 * sidecar and real iptables in network namespaces, with a reload every second and a fault every few seconds. Every request is
 * accounted for (test/support/faults/ledger.ts). Exit status 0 only if nothing was lost for no fault that may cost it, nothing
 * was executed twice that must not be, the witnesses agree, and memory and descriptors stay flat. `--plant` adds a fault that costs
 * requests and may not, which has to be found. Needs root.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { flagsOf, positive } from '../../bench/flags.ts';
import { Ledger } from '../support/faults/ledger.ts';
import { countedRequests, leftOpen, metricValue } from '../support/faults/witnesses.ts';
import type { ClientRecord } from '../support/faults/kinds.ts';
import { eventually } from '../support/eventually.ts';
import { stopProcess } from '../support/processes.ts';
import { CROWDED, plantedLoss, playFaults, soakFaults } from './faults.ts';
import { LONG, MIRROR, MIX } from './mix.ts';
import { SoakReport } from './report.ts';
import { backendOfGeneration, configuration } from './routes.ts';
import { startStage, type SoakStage } from './stage.ts';
import { cpuSeconds, sample, type Sample } from './watch.ts';

interface Flags {
  readonly minutes: number;
  readonly rate: number;
  readonly faultEvery: number;
  readonly plant?: boolean;
  readonly report?: string;
  readonly json?: string;
}

const values = flagsOf(
  'npm run soak --',
  'Mixed traffic with reloads and faults, in which every request is accounted for.',
)
  .option('--minutes <n>', 'How long', positive, 60)
  .option('--rate <n>', 'Requests a second', positive, 400)
  .option('--fault-every <seconds>', 'Time between faults', positive, 4)
  .option('--plant', 'Add a fault that costs requests and must not: it has to be found')
  .option('--report <file>', 'Write a report there, in Markdown')
  .option('--json <file>', 'Write the figures there')
  .parse()
  .opts<Flags>();
const minutes = values.minutes;
const perSecond = values.rate;
const RELOAD_EVERY_MS = 1_000;
const PROGRESS_EVERY_MS = 10_000;
const SAMPLES = 720;
/** The report goes between these lines of a file that has them, else it is the file. */
const MARKS = ['<!-- soak:begin -->\n', '<!-- soak:end -->\n'] as const;

function progress(ledger: Ledger, last: Sample | undefined, seconds: number, fault: string): void {
  const bad = [...ledger.violations.values()].reduce((total, count) => total + count, 0);
  const costs = [...ledger.costs.values()].reduce((total, count) => total + count, 0);
  const memory = last === undefined ? '' : `, ${last.rssMib.toFixed(0)} MiB resident, ${last.descriptors} descriptors`;
  process.stdout.write(
    `${seconds.toFixed(0).padStart(5)} s: ${ledger.sent} requests, ${costs} cost by faults, ${ledger.duplicates} duplicates, ${bad} violations${memory}; ${fault}\n`,
  );
}

async function run(stage: SoakStage, ledger: Ledger, state: { generation: number }): Promise<SoakReport> {
  const pid = stage.sidecar.pid!;
  const startedMs = performance.now();
  const seconds = (): number => (performance.now() - startedMs) / 1_000;
  const endMs = startedMs + minutes * 60_000;
  const cpuBefore = cpuSeconds(pid);
  // By those who asked whether it serves yet.
  const before = countedRequests(stage.get('/metrics'));
  let over = false;
  let fault = 'no fault yet';
  const samples: Sample[] = [];
  const faults = new Map<string, number>();
  const timers = [
    setInterval(() => stage.routes.write(configuration((state.generation += 1))), RELOAD_EVERY_MS),
    setInterval(
      () => {
        if (fault !== CROWDED) samples.push(sample(pid, seconds()));
      },
      Math.max(1_000, (minutes * 60_000) / SAMPLES),
    ),
    setInterval(() => ledger.settle(), 2_000),
    setInterval(() => progress(ledger, samples.at(-1), seconds(), fault), PROGRESS_EVERY_MS),
  ];
  const sidecarEnded = new Promise<never>((_resolve, reject) => {
    stage.sidecar.once('exit', (code, signal) => {
      if (!over) reject(new Error(`the sidecar ended with ${code ?? signal}:\n${stage.complaints.join('\n')}`));
    });
  });
  const clientEnded = stage.client.ended.then(() => {
    if (!over) throw new Error('the client ended');
  });
  for (const { kind, weight } of LONG) stage.client.tell({ do: 'hold', kind, count: weight });
  stage.client.tell({ do: 'mix', perSecond, kinds: MIX.map(({ kind, weight }) => ({ ...kind, weight })) });
  const faulting = playFaults(
    values.plant ? [plantedLoss(stage), ...soakFaults(stage)] : soakFaults(stage),
    values.faultEvery * 1_000,
    ({ name, backends, allows, only }) => {
      fault = name;
      return ledger.fault(name, backends, allows, only);
    },
    () => performance.now() > endMs,
    faults,
  );
  await Promise.race([faulting, sidecarEnded, clientEnded]);
  const [reload, sampling] = timers;
  clearInterval(reload);
  clearInterval(sampling);
  const skipped = await Promise.race([stage.client.stop(), sidecarEnded]);
  const measuredSeconds = seconds();
  const cpu = cpuSeconds(pid) - cpuBefore;
  // What the client closed has to be closed on the other side, too.
  let metrics = '';
  const quiet = (): boolean => {
    metrics = stage.get('/metrics');
    return Object.values(leftOpen(metrics)).every((value) => value === 0);
  };
  await eventually('everything is closed', quiet, 15_000).catch(() => undefined);
  over = true;
  const exit = await stopProcess(stage.sidecar);
  for (const timer of timers) clearInterval(timer);
  ledger.settle(true);
  const total = countedRequests(metrics);
  for (const [answer, count] of before) total.set(answer, (total.get(answer) ?? 0) - count);
  return new SoakReport(
    {
      ...{ minutes, perSecond, seconds: measuredSeconds, reloads: state.generation, oldestGeneration: oldest },
      ...{ faults, samples, skipped, cpuSeconds: cpu, counted: total, exit, node: process.version },
      logWritten: metricValue(metrics, 'sideroute_access_log_lines_total'),
      logDropped: metricValue(metrics, 'sideroute_access_log_dropped_lines_total'),
      leftOpen: leftOpen(metrics),
    },
    ledger,
  );
}

function writeReport(path: string, text: string): void {
  let whole = text;
  try {
    const current = readFileSync(path, 'utf8');
    const [begin, end] = [current.indexOf(MARKS[0]), current.indexOf(MARKS[1])];
    if (begin >= 0 && end > begin) whole = `${current.slice(0, begin)}${MARKS[0]}\n${text}\n${current.slice(end)}`;
  } catch {
    // A new file.
  }
  writeFileSync(path, whole);
}

/** Reloads that an answer was behind, at most. */
let oldest = 0;
const state = { generation: 0 };
const ledger = new Ledger(
  [...MIX, ...LONG].map(({ rule }) => rule),
  [MIRROR],
);
const onRecord = (record: ClientRecord): void => {
  ledger.answered(record);
  if (record.generation === null) return;
  oldest = Math.max(oldest, state.generation - record.generation);
  if (record.backend !== backendOfGeneration(record.generation)) {
    ledger.violation(
      'rules of two configurations mixed',
      `${record.id}: generation ${record.generation} at ${record.backend}`,
    );
  }
};
const stage = await startStage(ledger, onRecord);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    stage.close();
    process.exit(1);
  });
}
try {
  await eventually('routes are served', () => stage.ask('/moving') === '200', 20_000);
  const report = await run(stage, ledger, state);
  process.stdout.write(`\n${report.markdown()}\n`);
  if (stage.complaints.length > 0) {
    process.stdout.write(`### Last warnings of the sidecar\n\n${stage.complaints.slice(-10).join('\n')}\n`);
  }
  if (values.report !== undefined) writeReport(values.report, report.markdown());
  if (values.json !== undefined) writeFileSync(values.json, report.json());
  process.exitCode = report.good ? 0 : 1;
} finally {
  stage.close();
}
process.exit();
