/**
 * DNS lookups through c-ares, with limits on number and time: both address families of a name, and the records that
 * reveal the kind of Service.
 *
 * Stage before: `resolver.ts`, which decides when. Stage after: cluster DNS.
 */
import { Resolver } from 'node:dns/promises';
import { isIPv6 } from 'node:net';
import { ProxyError } from '../errors.ts';

export type IpFamily = 4 | 6;

/**
 * The answer of the servers for one family of one name.
 *
 * `answer`: addresses. `no-data`: the name exists without such addresses. `no-name`: NXDOMAIN. `failure`: no usable
 * answer (timeout, SERVFAIL, refused), which gives no information about the name.
 */
export type FamilyAnswer =
  | { readonly kind: 'answer'; readonly addresses: readonly string[]; readonly ttlMs: number }
  | { readonly kind: 'no-data' | 'no-name' | 'failure'; readonly error: string };

export interface DnsClientOptions {
  /** `address`, `address:port` or `[address]:port`. */
  readonly servers: readonly string[];
  /** Timeout of the first attempt; later attempts wait longer. */
  readonly timeoutMs: number;
  /** Attempts for each server. */
  readonly tries: number;
  /** Timeout of a whole lookup, whatever c-ares makes of the two values above. */
  readonly deadlineMs: number;
  /** Maximum number of simultaneous lookups; others wait. */
  readonly concurrency: number;
}

interface Job {
  /** The channel that runs it; null while it waits. */
  channel: Channel | null;
  /** Never rejects. */
  readonly ask: (resolver: Resolver) => Promise<void>;
  readonly done: () => void;
}

/** Further records of a name. `failed`: a query was not answered. */
export interface NameRecords {
  /** The target of the alias; null: no such record. */
  readonly alias: string | null;
  /** Names of addresses (PTR), by address; addresses without a name are left out. */
  readonly names: ReadonlyMap<string, readonly string[]>;
  readonly failed: boolean;
}

/**
 * Priority of a waiting lookup: `now` for an address with no other source, `check` for one that a document also gives.
 */
export type Urgency = 'now' | 'check';

/**
 * Each lookup in progress has its own c-ares channel: it can be cancelled separately, and given other servers when
 * idle.
 */
interface Channel {
  readonly resolver: Resolver;
  servers: readonly string[] | null;
}

export class DnsClient {
  readonly #options: DnsClientOptions;
  #servers: readonly string[] = [];
  readonly #idle: Channel[] = [];
  readonly #busy = new Set<Channel>();
  readonly #queues: Readonly<Record<Urgency, Set<Job>>> = { now: new Set(), check: new Set() };
  #closed = false;

  constructor(options: DnsClientOptions) {
    this.#options = options;
    this.setServers(options.servers);
  }

  /** Takes effect with the next lookup. Throws ProxyError `invalid-dns-server` and keeps the previous servers. */
  setServers(servers: readonly string[]): void {
    try {
      new Resolver().setServers(servers);
    } catch (cause) {
      throw new ProxyError('invalid-dns-server', `DNS servers ${servers.join(', ')}: ${String(cause)}`, { cause });
    }
    this.#servers = servers;
  }

  /**
   * Looks up `name` (absolute, without the final dot). `onAnswer` is called once for each family when its answer
   * arrives, then `onDone`. Returns a function that cancels the lookup; nothing is called after that or after `close`.
   */
  lookup(
    name: string,
    families: readonly IpFamily[],
    urgency: Urgency,
    onAnswer: (family: IpFamily, answer: FamilyAnswer) => void,
    onDone: () => void,
  ): () => void {
    return this.#add(
      urgency,
      async (resolver, wanted) => {
        await Promise.all(
          families.map(async (family) => {
            const answer = await ask(resolver, name, family);
            if (wanted()) onAnswer(family, answer);
          }),
        );
      },
      onDone,
    );
  }

  /** Looks up the alias of `name` and the names of `addresses`. Otherwise like `lookup`. */
  identify(name: string, addresses: readonly string[], onDone: (records: NameRecords) => void): () => void {
    const names = new Map<string, readonly string[]>();
    let alias: string | null = null;
    let failed = false;
    const note = (answer: readonly string[] | 'failure' | null): readonly string[] => {
      if (answer === 'failure') failed = true;
      return answer === 'failure' || answer === null ? [] : answer.map(canonicalName);
    };
    return this.#add(
      'now',
      async (resolver) => {
        await Promise.all([
          (async () => {
            [alias = null] = note(await records(() => resolver.resolveCname(name)));
          })(),
          ...addresses.map(async (address) => {
            const found = note(await records(() => resolver.resolvePtr(reverseName(address))));
            if (found.length > 0) names.set(address, found);
          }),
        ]);
      },
      () => onDone({ alias, names, failed }),
    );
  }

  #add(
    urgency: Urgency,
    query: (resolver: Resolver, wanted: () => boolean) => Promise<void>,
    onDone: () => void,
  ): () => void {
    let given = false;
    const wanted = (): boolean => !given && !this.#closed;
    const job: Job = {
      channel: null,
      ask: (resolver) => query(resolver, wanted),
      done: () => {
        if (wanted()) onDone();
      },
    };
    const queue = this.#queues[urgency];
    queue.add(job);
    this.#startNext();
    return () => {
      given = true;
      queue.delete(job);
      job.channel?.resolver.cancel();
    };
  }

  /** Cancels everything. No socket and no timer is left. */
  close(): void {
    this.#closed = true;
    for (const queue of Object.values(this.#queues)) queue.clear();
    for (const channel of this.#busy) channel.resolver.cancel();
  }

  #startNext(): void {
    if (this.#closed || this.#busy.size >= this.#options.concurrency) return;
    const queue = this.#queues.now.size > 0 ? this.#queues.now : this.#queues.check;
    const [job] = queue;
    if (job === undefined) return;
    queue.delete(job);
    const channel = this.#idle.pop() ?? {
      resolver: new Resolver({ timeout: this.#options.timeoutMs, tries: this.#options.tries }),
      servers: null,
    };
    this.#busy.add(channel);
    void this.#run(channel, job);
  }

  /** Never rejects. */
  async #run(channel: Channel, job: Job): Promise<void> {
    if (channel.servers !== this.#servers) {
      channel.resolver.setServers(this.#servers);
      channel.servers = this.#servers;
    }
    job.channel = channel;
    const deadline = setTimeout(() => channel.resolver.cancel(), this.#options.deadlineMs).unref();
    await job.ask(channel.resolver);
    clearTimeout(deadline);
    job.channel = null;
    this.#busy.delete(channel);
    this.#idle.push(channel);
    job.done();
    this.#startNext();
  }
}

async function ask(resolver: Resolver, name: string, family: IpFamily): Promise<FamilyAnswer> {
  try {
    const records = await (family === 4
      ? resolver.resolve4(name, { ttl: true })
      : resolver.resolve6(name, { ttl: true }));
    if (records.length === 0) return { kind: 'no-data', error: 'ENODATA' };
    return {
      kind: 'answer',
      addresses: records.map((record) => record.address),
      ttlMs: Math.min(...records.map((record) => record.ttl)) * 1_000,
    };
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENODATA') return { kind: 'no-data', error: code };
    if (code === 'ENOTFOUND' || code === 'EBADNAME') return { kind: 'no-name', error: code };
    // Cancelled at the deadline; c-ares would have reported ETIMEOUT.
    return { kind: 'failure', error: code === 'ECANCELLED' ? 'ETIMEOUT' : code };
  }
}

/** Null: no such records. */
async function records(query: () => Promise<string[]>): Promise<readonly string[] | 'failure' | null> {
  try {
    return await query();
  } catch (error) {
    return ['ENODATA', 'ENOTFOUND', 'EBADNAME'].includes(codeOf(error)) ? null : 'failure';
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

function canonicalName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

/** RFC 1035 section 3.5 and RFC 3596 section 2.5. */
export function reverseName(address: string): string {
  if (!isIPv6(address)) return `${address.split('.').reverse().join('.')}.in-addr.arpa`;
  const [head = '', tail] = address.split('::');
  const groups = (part: string | undefined): string[] => (part === undefined || part === '' ? [] : part.split(':'));
  const [left, right] = [groups(head), groups(tail)];
  const middle = Array<string>(8 - left.length - right.length).fill('0');
  const digits = [...left, ...middle, ...right].map((group) => group.padStart(4, '0')).join('');
  return `${Array.from(digits).reverse().join('.')}.ip6.arpa`;
}
