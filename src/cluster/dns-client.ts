/**
 * Lookups through c-ares, bounded in number and in time: both families of one name, and what tells what kind of Service it is.
 *
 * Stage before: `resolver.ts`, which decides when. Stage after: cluster DNS.
 */
import { Resolver } from 'node:dns/promises';
import { isIPv6 } from 'node:net';
import { ProxyError } from '../errors.ts';

export type IpFamily = 4 | 6;

/**
 * What the servers say about one family of one name.
 *
 * `answer`: addresses. `no-data`: the name exists without such addresses. `no-name`: NXDOMAIN. `failure`: no usable
 * answer at all (timeout, SERVFAIL, refused), which says nothing about the name.
 */
export type FamilyAnswer =
  | { readonly kind: 'answer'; readonly addresses: readonly string[]; readonly ttlMs: number }
  | { readonly kind: 'no-data' | 'no-name' | 'failure'; readonly error: string };

export interface DnsClientOptions {
  /** `address`, `address:port` or `[address]:port`. */
  readonly servers: readonly string[];
  /** Of one attempt; later attempts wait longer. */
  readonly timeoutMs: number;
  /** Per server. */
  readonly tries: number;
  /** Of a lookup, whatever c-ares makes of the two above. */
  readonly deadlineMs: number;
  /** Names looked up at the same time; others wait in line. */
  readonly concurrency: number;
}

interface Job {
  /** The channel it runs on, null while it waits. */
  channel: Channel | null;
  /** Never rejects. */
  readonly ask: (resolver: Resolver) => Promise<void>;
  readonly done: () => void;
}

/** What the servers say beside addresses. Null: no such record; `failed`: something was not answered. */
export interface NameRecords {
  /** What the name is an alias of. */
  readonly alias: string | null;
  /** Names of the addresses, by address; without those that have none. */
  readonly names: ReadonlyMap<string, readonly string[]>;
  readonly failed: boolean;
}

/** What waits for its turn: `now` for an address that nothing else tells, `check` for one that a document gives as well. */
export type Urgency = 'now' | 'check';

/** A c-ares channel of its own for each lookup under way: it can be cancelled alone and given other servers when idle. */
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

  /** Takes effect with the next lookup that starts. Throws ProxyError `invalid-dns-server` and keeps the former ones. */
  setServers(servers: readonly string[]): void {
    try {
      new Resolver().setServers(servers);
    } catch (cause) {
      throw new ProxyError('invalid-dns-server', `DNS servers ${servers.join(', ')}: ${String(cause)}`, { cause });
    }
    this.#servers = servers;
  }

  /**
   * Look up `name` (absolute, without the last dot). `onAnswer` is called once per family as the answers come, then
   * `onDone`. Returns a function that gives the lookup up; nothing is called after it, or after `close`.
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

  /** Look up what `name` is an alias of and what `addresses` are called. As `lookup` otherwise. */
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

  /** Cancel everything. No socket and no timer is left. */
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
    // Cancelled by the deadline; c-ares would have said ETIMEOUT.
    return { kind: 'failure', error: code === 'ECANCELLED' ? 'ETIMEOUT' : code };
  }
}

/** Null: there are no such records. */
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

/** RFC 1035 3.5 and RFC 3596 2.5. */
export function reverseName(address: string): string {
  if (!isIPv6(address)) return `${address.split('.').reverse().join('.')}.in-addr.arpa`;
  const [head = '', tail] = address.split('::');
  const groups = (part: string | undefined): string[] => (part === undefined || part === '' ? [] : part.split(':'));
  const [left, right] = [groups(head), groups(tail)];
  const middle = Array<string>(8 - left.length - right.length).fill('0');
  const digits = [...left, ...middle, ...right].map((group) => group.padStart(4, '0')).join('');
  return `${Array.from(digits).reverse().join('.')}.ip6.arpa`;
}
