/**
 * Reconciles what the client sent and got, what backends executed and what sideroute logged, request by request, and
 * checks each result. Works as a stream: a request is settled some time after its end and then only counted, so an hour
 * of requests takes no more memory than a minute.
 */
import { kindOf, type ClientRecord } from './kinds.ts';

/** The expected results for requests of a kind. */
export interface KindRule {
  readonly name: string;
  /** Names of the backends that may answer. */
  readonly backends: readonly string[];
  /** Outcome without any fault; see `outcomeText`. */
  readonly expected: RegExp;
  /** The fault that its requests ask their backend for, and the outcomes that it may cost. */
  readonly planted: { readonly fault: string; readonly allows: RegExp } | null;
  /** Not to be executed twice, whatever happens. */
  readonly once: boolean;
  /** No HTTP: neither executions nor log lines have its ids. */
  readonly plain: boolean;
  /** Lasts longer than faults do: one that is cut off was so by a fault that is there at its end. */
  readonly long: boolean;
  /** Sent to its backends by HTTP/2. */
  readonly http2: boolean;
}

/** Whether a fault may have this effect on a request; `executed`: some backend has begun to execute it. */
export type FaultCost = (outcome: string, rule: KindRule, executed: boolean) => boolean;

/** A fault of the environment, from its beginning until its effects are over. */
interface FaultWindow {
  readonly name: string;
  /** Backends whose requests may be affected; null: all. */
  readonly backends: readonly string[] | null;
  /** The one of them that it happens to: who has begun to answer is nobody else. */
  readonly only: string | null;
  readonly allows: FaultCost;
  readonly fromMs: number;
  toMs: number;
}

interface Entry {
  readonly firstSeenMs: number;
  client: ClientRecord | null;
  logged: string | null;
  executed: string[];
}

/** Reasons that mean that nothing was sent to a backend. */
const NEVER_SENT =
  /^(no_route|no_backend|unsupported_filter|unresolved|connect_failure|connect_timeout|overflow|overload)$/;
/** Limits for examples: of each violation, and in total. */
const MAX_EXAMPLES_EACH = 6;
const MAX_EXAMPLES = 60;

export function outcomeText({ outcome, code, reason }: ClientRecord): string {
  return [outcome, ...(code === 0 ? [] : [code]), ...(reason === null ? [] : [reason])].join(' ');
}

function bump(table: Map<string, number>, key: string, by = 1): void {
  table.set(key, (table.get(key) ?? 0) + by);
}

/** A request is settled this long after its end, when lines of stopped processes have arrived. */
const SETTLE_AFTER_MS = 12_000;
/** A request that a backend or the log has, but the client has not after this time, was never sent. */
const UNSENT_AFTER_MS = 120_000;

export class Ledger {
  readonly #rules: ReadonlyMap<string, KindRule>;
  readonly #mirrors: ReadonlySet<string>;
  readonly #entries = new Map<string, Entry>();
  readonly #windows: FaultWindow[] = [];
  sent = 0;
  settled = 0;
  /** Requests by kind and outcome: `kind outcome`. */
  readonly outcomes = new Map<string, number>();
  /** Complete answers by `code reason`. */
  readonly answers = new Map<string, number>();
  /** What faults cost: `fault: outcome`. */
  readonly costs = new Map<string, number>();
  /** What must not be, in words; with examples. */
  readonly violations = new Map<string, number>();
  readonly examples: string[] = [];
  executions = 0;
  /** By kind. */
  readonly executionsOf = new Map<string, number>();
  /** Requests that may be repeated and were. */
  repeated = 0;
  /** Requests that must not be repeated and were. */
  duplicates = 0;
  copies = 0;
  /** Requests whose line in the access log is missing. */
  unlogged = 0;
  logLines = 0;
  /** Kinds of which a sidecar that was killed may have taken the last lines with it. */
  readonly mayLackLines = new Set<string>();

  constructor(rules: readonly KindRule[], mirrors: readonly string[] = []) {
    this.#rules = new Map(rules.map((rule) => [rule.name, rule]));
    this.#mirrors = new Set(mirrors);
  }

  /** Requests that are not settled yet. */
  get open(): number {
    return this.#entries.size;
  }

  /** All witnesses have told of all requests, as far as there is one to tell. */
  get complete(): boolean {
    for (const { client, logged } of this.#entries.values()) {
      if (client === null) return false;
      const kind = kindOf(client.id);
      const silent = client.outcome === 'unconnected' || client.outcome === 'left' || this.mayLackLines.has(kind);
      if (logged === null && !silent && this.#rules.get(kind)?.plain === false) return false;
    }
    return true;
  }

  /** The returned function ends it, `graceMs` from then. */
  fault(
    name: string,
    backends: readonly string[] | null,
    allows: FaultCost,
    only: string | null = null,
  ): (graceMs: number) => void {
    const window: FaultWindow = { name, backends, only, allows, fromMs: Date.now(), toMs: Infinity };
    this.#windows.push(window);
    return (graceMs) => (window.toMs = Date.now() + graceMs);
  }

  #entry(id: string): Entry {
    let entry = this.#entries.get(id);
    if (entry === undefined) {
      entry = { firstSeenMs: Date.now(), client: null, logged: null, executed: [] };
      this.#entries.set(id, entry);
    }
    return entry;
  }

  answered(record: ClientRecord): void {
    this.sent += 1;
    this.#entry(record.id).client = record;
  }

  executed(id: string, backend: string): void {
    // A request that only checks whether the sidecar serves already.
    if (id === '') return;
    if (this.#mirrors.has(backend)) {
      this.copies += 1;
      return;
    }
    this.executions += 1;
    bump(this.executionsOf, kindOf(id));
    this.#entry(id).executed.push(backend);
  }

  /** `outcome`: `code reason`, as the access log has them. */
  logged(id: string, outcome: string): void {
    this.logLines += 1;
    const entry = this.#entry(id);
    if (entry.logged !== null) this.violation(`two lines in the access log`, id);
    entry.logged = outcome;
  }

  violation(what: string, example: string): void {
    bump(this.violations, what);
    if (this.violations.get(what)! <= MAX_EXAMPLES_EACH && this.examples.length < MAX_EXAMPLES)
      this.examples.push(`${what}: ${example}`);
  }

  /** Settles what has ended long enough ago; `all`: everything. */
  settle(all = false): void {
    const nowMs = Date.now();
    for (const [id, entry] of this.#entries) {
      const { client, firstSeenMs } = entry;
      if (client === null) {
        const isLong = this.#rules.get(kindOf(id))?.long === true;
        if (!all && (isLong || nowMs - firstSeenMs < UNSENT_AFTER_MS)) continue;
        this.violation('executed or logged, but never sent', id);
      } else {
        if (!all && nowMs - client.endedMs < SETTLE_AFTER_MS) continue;
        this.#judge(client, entry);
      }
      this.#entries.delete(id);
    }
    while (this.#windows.length > 0 && this.#windows[0]!.toMs < nowMs - UNSENT_AFTER_MS) this.#windows.shift();
  }

  #judge(client: ClientRecord, entry: Entry): void {
    const rule = this.#rules.get(kindOf(client.id));
    if (rule === undefined) {
      this.violation('a kind that nobody defined', client.id);
      return;
    }
    // A backend that has executed it has received it.
    const taken = client.outcome === 'untaken' && entry.executed.length > 0;
    const outcome = taken ? 'none' : outcomeText(client);
    this.settled += 1;
    bump(this.outcomes, `${rule.name} ${outcome}`);
    const example = (): string => {
      const where = entry.executed.length > 0 ? `executed by ${entry.executed.join(', ')}` : 'executed by nobody';
      const at = new Date(client.sentMs).toISOString();
      const text = [
        client.id,
        at,
        `${client.endedMs - client.sentMs} ms`,
        outcome,
        client.backend,
        client.detail,
        where,
      ];
      const last = this.#windows.findLast(({ fromMs }) => fromMs <= client.endedMs);
      const fault =
        last === undefined
          ? 'before any fault'
          : `${client.endedMs - last.fromMs} ms after the begin of "${last.name}", which lasted ${last.toMs - last.fromMs} ms`;
      return [...text, `logged ${entry.logged ?? 'nothing'}`, fault].filter((part) => part !== null).join('; ');
    };
    if (client.outcome === 'corrupt') this.violation('a wrong or mixed answer', example());
    else if (client.outcome === 'answered' && !rule.plain && !rule.backends.includes(client.backend ?? '')) {
      this.violation('an answer of the wrong backend', example());
    } else if (!rule.expected.test(outcome)) this.#account(rule, entry, outcome, example);
    if (!rule.plain) this.#compare(rule, client, entry, example);
  }

  /** A request that did not come to what its kind expects: some fault must have cost it. */
  #account(rule: KindRule, { client, executed }: Entry, outcome: string, example: () => string): void {
    if (rule.planted?.allows.test(outcome) === true) {
      bump(this.costs, `${rule.planted.fault}: ${outcome}`);
      return;
    }
    const { backend, sentMs, endedMs } = client!;
    const window = this.#windows.find(
      ({ backends, only, allows, fromMs, toMs }) =>
        (backends === null || backends.some((name) => rule.backends.includes(name))) &&
        (only === null || backend === null || backend === only) &&
        endedMs >= fromMs &&
        (rule.long ? endedMs : sentMs) <= toMs &&
        allows(outcome, rule, executed.length > 0),
    );
    if (window !== undefined) bump(this.costs, `${window.name}: ${outcome}`);
    else this.violation(`lost, for no fault that may cost it (${rule.name})`, example());
  }

  /** What the client saw against what backends and the access log say. */
  #compare(rule: KindRule, client: ClientRecord, entry: Entry, example: () => string): void {
    const times = entry.executed.length;
    if (times > 1 && rule.once) {
      this.duplicates += 1;
      this.violation('executed more than once', example());
    } else if (times > 1) this.repeated += 1;
    if (client.outcome === 'answered' && rule.backends.length > 0) {
      if (!entry.executed.includes(client.backend ?? '')) this.violation('answered, but not executed', example());
    }
    if (rule.once && times > 0 && NEVER_SENT.test(client.reason ?? '')) {
      this.violation('executed, although the answer says that it was not sent', example());
    }
    if (client.outcome !== 'answered' && client.outcome !== 'refused') return;
    const answer = `${client.code} ${client.reason ?? ''}`.trim();
    bump(this.answers, answer);
    if (entry.logged === null) this.unlogged += 1;
    else if (entry.logged !== answer) this.violation('the access log says otherwise', example());
  }
}
