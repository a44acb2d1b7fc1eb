/** `sideroute tap`: shows the requests of running sidecars when they end. */
import { Option, type Command } from 'commander';
import { ProxyError } from '../errors.ts';
import { onFirstSignal, takeSignals } from '../signals.ts';
import { isObject, type AdminTarget, type Json } from './admin-client.ts';
import { streamLines } from './admin-stream.ts';
import { adminOption, argument, outputOption, type AdminAddress, type OutputFormat } from './options.ts';
import { dataText } from './output.ts';
import { podArgument, podNamespaceOption, podOptions, withTargets } from './pod-admin.ts';
import { outputTaken, readerHasLeft, writeNote, writeOutput } from './standard-streams.ts';
import { TapTable } from './tap-text.ts';

interface TapOptions {
  readonly admin: AdminAddress;
  readonly output: OutputFormat;
  readonly all?: boolean;
  readonly route?: string;
  readonly rule?: string;
  readonly code?: string;
  readonly path?: string;
  readonly header?: readonly string[];
  readonly sample?: string;
  readonly limit?: number;
  readonly duration?: string;
}

export function registerTap(program: Command): void {
  const command = program
    .command('tap')
    .description('show the requests of a running sidecar as they end, until Ctrl-C')
    .addArgument(podArgument())
    .option('--route <namespace/name>', 'only requests of this route')
    .option('--rule <name>', 'only requests of this rule of the route; its name or index')
    .option('--code <code>', 'only requests with this status (503), class (5xx) or gRPC code (UNAVAILABLE)')
    .option('--path <prefix>', 'only requests whose path begins with this prefix')
    .addOption(
      new Option(
        '--header <name[:value]>',
        'only requests with this header, whose value is shown; may be repeated: all of them are needed',
      ).argParser((text: string, before: readonly string[] | undefined) => [...(before ?? []), text]),
    )
    .option('--sample <share>', 'a share of the requests, such as 0.1')
    .addOption(new Option('--limit <number>', 'end after this number of requests').argParser(argument(limit)))
    .option('--duration <duration>', 'end after this time, from 1s to 1h; default: 10m')
    .addOption(adminOption())
    .addOption(outputOption())
    .addOption(podNamespaceOption());
  for (const option of podOptions()) command.addOption(option);
  command.action(async (pod: string | undefined, options: TapOptions) => {
    const end = endOnSignal();
    await withTargets(command, pod, options, (targets) => tap(targets, options, end));
  });
}

function limit(text: string): number {
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text);
  throw new ProxyError('invalid-setting', `got "${text}", expected a number of requests`);
}

/** Ctrl-C is the usual end and not a failure. A second one ends the process at once. */
function endOnSignal(): AbortController {
  const end = new AbortController();
  onFirstSignal(() => end.abort());
  takeSignals({ SIGTERM: 143, SIGINT: 130 });
  return end;
}

function pathOf({ route, rule, code, path, header = [], sample, limit: most, duration }: TapOptions): string {
  const one = { route, rule, code, path, sample, limit: most?.toString(), duration };
  const given = Object.entries(one).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const query = new URLSearchParams([...given, ...header.map((value): [string, string] => ['header', value])]);
  return `/tap${given.length + header.length === 0 ? '' : `?${query.toString()}`}`;
}

/** Several sidecars at the same time. A failure of one does not affect the others. */
async function tap(targets: readonly AdminTarget[], options: TapOptions, end: AbortController): Promise<void> {
  const printer = new Printer(options, targets.length > 1 || options.all === true, end);
  const path = pathOf(options);
  const startedMs = performance.now();
  const outcomes = await Promise.allSettled(
    targets.map(async (target) => {
      const pod = 'pod' in target ? target.pod : '';
      let why = null as string | null;
      await streamLines(target, path, end.signal, async (lines) => {
        why = printer.take(lines, pod) ?? why;
        await outputTaken();
        if (readerHasLeft()) end.abort();
      });
      if (end.signal.aborted || why === 'limit' || why === 'duration') return;
      const where = pod === '' ? 'the sidecar' : `pod ${pod}`;
      if (why === 'shutdown') writeNote(`sideroute: ${where} has ended\n`);
      else throw new ProxyError('admin-unreachable', `${where}: the connection broke off`);
    }),
  );
  const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as Error] : []));
  if (failures.length === targets.length) throw failures[0]!;
  for (const error of failures) writeNote(`sideroute: ${error.message}\n`);
  if (failures.length > 0) process.exitCode = 1;
  if (!readerHasLeft()) writeNote(printer.summary((performance.now() - startedMs) / 1_000));
}

class Printer {
  readonly #format: OutputFormat;
  readonly #withPod: boolean;
  readonly #limit: number;
  readonly #end: AbortController;
  readonly #table: TapTable;
  readonly #classes = new Map<string, number>();
  #requests = 0;
  #dropped = 0;

  constructor({ output, limit: most = Infinity }: TapOptions, withPod: boolean, end: AbortController) {
    this.#format = output;
    this.#withPod = withPod;
    this.#limit = most;
    this.#end = end;
    this.#table = new TapTable(withPod);
  }

  /** The reason for the end of the stream, when one of the lines contains it. */
  take(lines: readonly string[], pod: string): string | null {
    let why: string | null = null;
    for (const line of lines) {
      const value = parsed(line);
      if (value === null) continue;
      if ('dropped' in value) why = this.#note(value, pod) ?? why;
      else if (this.#requests < this.#limit) this.#request(value, line, pod);
    }
    if (this.#requests >= this.#limit) this.#end.abort();
    return why;
  }

  summary(seconds: number): string {
    const classes = [...this.#classes].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, count]) => `${count} ${name}`);
    const told = classes.length === 0 ? '' : `: ${classes.join(', ')}`;
    const lost = this.#dropped === 0 ? '' : `; ${this.#dropped} more were left out, --sample takes a share`;
    const requests = `${this.#requests} ${this.#requests === 1 ? 'request' : 'requests'}`;
    return `sideroute: ${requests} in ${seconds.toFixed(1)}s${told}${lost}\n`;
  }

  #request(record: Json, line: string, pod: string): void {
    this.#requests += 1;
    const { code } = record;
    const name = typeof code === 'number' ? `${Math.floor(code / 100)}xx` : 'without a response';
    this.#classes.set(name, (this.#classes.get(name) ?? 0) + 1);
    if (this.#format === 'table') writeOutput(this.#table.line(record, pod));
    else this.#data(record, line, pod);
  }

  #note(note: Json, pod: string): string | null {
    const dropped = Number(note['dropped']) || 0;
    this.#dropped += dropped;
    if (dropped > 0 && this.#format !== 'table') this.#data(note, null, pod);
    return typeof note['end'] === 'string' ? note['end'] : null;
  }

  /** JSON as received: one line in ASCII. */
  #data(value: Json, line: string | null, pod: string): void {
    const whole = this.#withPod ? { ...value, pod } : value;
    if (this.#format === 'yaml') writeOutput(`---\n${dataText('yaml', whole)}`);
    else writeOutput(`${line !== null && !this.#withPod ? line : JSON.stringify(whole)}\n`);
  }
}

/** Null when it is not an object. */
function parsed(line: string): Json | null {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
