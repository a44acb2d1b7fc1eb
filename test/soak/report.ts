/** What a soak came to: judged, and written as Markdown and as JSON. */
import type { Ledger } from '../support/faults/ledger.ts';
import { metricsAgainstAnswers } from '../support/faults/witnesses.ts';
import { linearFit, lowest, type Fit } from './linear-fit.ts';
import type { Sample } from './watch.ts';

export interface SoakFacts {
  readonly minutes: number;
  readonly perSecond: number;
  readonly seconds: number;
  readonly reloads: number;
  /** How many generations behind an answer was at most. */
  readonly oldestGeneration: number;
  readonly faults: ReadonlyMap<string, number>;
  readonly samples: readonly Sample[];
  readonly skipped: number;
  readonly cpuSeconds: number;
  /** By `code reason`, as `sideroute_requests_total` has them. */
  readonly counted: ReadonlyMap<string, number>;
  readonly logWritten: number;
  readonly logDropped: number;
  /** Of the sidecar, when the client had closed everything. */
  readonly leftOpen: Readonly<Record<string, number>>;
  readonly exit: number | string | null;
  readonly node: string;
}

export interface Verdict {
  readonly what: string;
  readonly figure: string;
  readonly good: boolean;
}

/** What comes before is not measured: code is compiled, pools and buffers find their size. */
const WARM_UP_SHARE = 0.25;
const WARM_UP_MAX_SECONDS = 600;
/** A straight line through the samples may rise by so much; in a short run more, as the heap is still finding its size. */
const GROWTH_MIB = { long: 8, short: 32 };
const GROWTH_DESCRIPTORS = { long: 8, short: 64 };
const DESCRIPTOR_PARTS = 24;
/** On a machine that is busy with other things. */
const SKIPPED_SHARE = 0.05;
const LONG_SECONDS = 1_800;

const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);
const rounded = (value: number): string => value.toFixed(1);

function growthVerdict(what: string, unit: string, fit: Fit, limit: number): Verdict {
  const range = `${rounded(fit.min)} to ${rounded(fit.max)} ${unit}`;
  const line = `the line through ${fit.count} samples rises by ${rounded(fit.growth)} ± ${rounded(fit.error)} ${unit} (at most ${limit})`;
  // What cannot be told from a level line does not rise.
  return { what, figure: `${range}; ${line}`, good: fit.growth - 2 * fit.error <= limit };
}

export class SoakReport {
  readonly facts: SoakFacts;
  readonly ledger: Ledger;
  readonly verdicts: readonly Verdict[];
  readonly #measured: readonly Sample[];

  constructor(facts: SoakFacts, ledger: Ledger) {
    this.facts = facts;
    this.ledger = ledger;
    const warmUp = Math.min(facts.seconds * WARM_UP_SHARE, WARM_UP_MAX_SECONDS);
    this.#measured = facts.samples.filter(({ seconds }) => seconds >= warmUp);
    this.verdicts = this.#judge();
  }

  get good(): boolean {
    return this.verdicts.every(({ good }) => good);
  }

  #fit(what: keyof Sample, samples = this.#measured): Fit {
    return linearFit(
      samples.map(({ seconds }) => seconds),
      samples.map((sample) => sample[what]),
    );
  }

  /** Connections come and go by the hundred with what backends and the machine have time for. */
  #lowestDescriptors(): Fit {
    return this.#fit(
      'descriptors',
      lowest(this.#measured, ({ descriptors }) => descriptors, DESCRIPTOR_PARTS),
    );
  }

  #judge(): Verdict[] {
    const { facts, ledger } = this;
    const violations = sum(ledger.violations.values());
    const long = facts.seconds >= LONG_SECONDS;
    const memory = long ? GROWTH_MIB.long : GROWTH_MIB.short;
    const open = Object.entries(facts.leftOpen);
    return [
      {
        what: 'Requests lost, answered wrongly, or told of differently by two witnesses',
        figure: `${violations} of ${ledger.settled}`,
        good: violations === 0,
      },
      { what: 'Executed twice that must not be', figure: String(ledger.duplicates), good: ledger.duplicates === 0 },
      this.#logVerdict(),
      { what: 'Metrics against answers', ...metricsAgainstAnswers(facts.counted, ledger) },
      growthVerdict('Resident memory', 'MiB', this.#fit('rssMib'), memory),
      growthVerdict('Private memory', 'MiB', this.#fit('privateMib'), memory),
      growthVerdict(
        'Descriptors, the fewest in each of 24 parts',
        '',
        this.#lowestDescriptors(),
        long ? GROWTH_DESCRIPTORS.long : GROWTH_DESCRIPTORS.short,
      ),
      {
        what: 'Left behind when all clients had gone',
        figure: open.map(([name, value]) => `${name} ${value}`).join(', '),
        good: open.every(([, value]) => value === 0),
      },
      {
        what: 'Requests that the client could not make, as too many were open',
        figure: String(facts.skipped),
        good: facts.skipped <= ledger.settled * SKIPPED_SHARE,
      },
      { what: 'End of the sidecar after SIGTERM', figure: String(facts.exit), good: facts.exit === 0 },
    ];
  }

  /** A line that is missing was dropped and counted, or was in the pipe when its reader left. */
  #logVerdict(): Verdict {
    const { unlogged, logLines } = this.ledger;
    const { logWritten, logDropped } = this.facts;
    const lost = logDropped + Math.max(0, logWritten - logLines);
    const figure = `${logLines} lines read; ${unlogged} answers without one, ${lost} lines counted as lost or left in the pipe`;
    return { what: 'Access log against answers', figure, good: unlogged <= lost };
  }

  json(): string {
    const { facts, ledger } = this;
    const table = (map: ReadonlyMap<string, number>): object => Object.fromEntries([...map].sort());
    return `${JSON.stringify(
      {
        good: this.good,
        verdicts: this.verdicts,
        requests: ledger.settled,
        executions: ledger.executions,
        copies: ledger.copies,
        repeated: ledger.repeated,
        duplicates: ledger.duplicates,
        outcomes: table(ledger.outcomes),
        costs: table(ledger.costs),
        violations: table(ledger.violations),
        examples: ledger.examples,
        ...{ ...facts, faults: table(facts.faults), counted: table(facts.counted) },
      },
      null,
      1,
    )}\n`;
  }

  markdown(): string {
    const { facts, ledger } = this;
    const rows = (entries: Iterable<readonly [string, ...(string | number)[]]>): string =>
      [...entries]
        .map((entry) => `| ${entry.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |\n`)
        .join('');
    const byCode = new Map<string, number>();
    for (const [name, count] of ledger.outcomes) {
      const outcome = name.slice(name.indexOf(' ') + 1);
      byCode.set(outcome, (byCode.get(outcome) ?? 0) + count);
    }
    const long = [...ledger.outcomes]
      .filter(([name]) => name.startsWith('long-'))
      .map(([name, count]) => `${count} × ${name}`);
    const costs = new Map<string, string[]>();
    for (const [cost, count] of [...ledger.costs].sort()) {
      const colon = cost.lastIndexOf(': ');
      const name = cost.slice(0, colon);
      costs.set(name, [...(costs.get(name) ?? []), `${count} × ${cost.slice(colon + 2)}`]);
    }
    const played = [...facts.faults].map(
      ([name, times]) => [name, times, (costs.get(name) ?? ['nothing']).join(', ')] as const,
    );
    const asked = [...costs]
      .filter(([name]) => !facts.faults.has(name))
      .map(([name, what]) => [name, 'each request', what.join(', ')] as const);
    const descending = [...byCode].sort((a, b) => b[1] - a[1]);
    return `## Result

${this.good ? 'Good.' : '**Not good.**'} ${ledger.settled} requests in ${Math.round(facts.seconds)} s, ${facts.perSecond} a second, Node ${facts.node}; ${facts.reloads} reloads, ${sum(facts.faults.values())} faults beside those that requests asked for.

| | Figure | |
|---|---|---|
${rows(this.verdicts.map(({ what, figure, good }) => [what, figure, good ? 'good' : '**not good**']))}
- Executions at backends: ${ledger.executions}; of these ${ledger.repeated} requests that may be repeated and were. Mirrored copies: ${ledger.copies}.
- The oldest configuration that an answer came from was ${facts.oldestGeneration} reloads old when its request was sent.
- Under way from the beginning to the end, or until their endpoint met its fault: ${long.join(', ')}.
- CPU time of the sidecar: ${rounded(facts.cpuSeconds)} s, ${((100 * facts.cpuSeconds) / facts.seconds).toFixed(1)} % of a core, ${Math.round((1e6 * facts.cpuSeconds) / ledger.settled)} µs a request, reloads included.

### What the client saw

| Outcome | Requests |
|---|---|
${rows(descending)}
### What the faults cost

| Fault | Times | Cost |
|---|---|---|
${rows([...played, ...asked])}${
      ledger.violations.size === 0
        ? ''
        : `
### What must not be

| | Times |
|---|---|
${rows(ledger.violations)}
${ledger.examples.map((example) => `- ${example}\n`).join('')}`
    }`;
  }
}
