/**
 * Address lookups through c-ares: both families of one name, bounded in number and in time.
 *
 * Stage before: `resolver.ts`, which decides when. Stage after: cluster DNS.
 */
import { Resolver } from 'node:dns/promises';
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
  readonly name: string;
  readonly families: readonly IpFamily[];
  readonly onAnswer: (family: IpFamily, answer: FamilyAnswer) => void;
  readonly done: () => void;
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
    let wanted = true;
    const job: Job = {
      channel: null,
      name,
      families,
      onAnswer: (family, answer) => {
        if (wanted && !this.#closed) onAnswer(family, answer);
      },
      done: () => {
        if (wanted && !this.#closed) onDone();
      },
    };
    const queue = this.#queues[urgency];
    queue.add(job);
    this.#startNext();
    return () => {
      wanted = false;
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
    await Promise.all(
      job.families.map(async (family) => job.onAnswer(family, await ask(channel.resolver, job.name, family))),
    );
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
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    if (code === 'ENODATA') return { kind: 'no-data', error: code };
    if (code === 'ENOTFOUND' || code === 'EBADNAME') return { kind: 'no-name', error: code };
    // Cancelled by the deadline; c-ares would have said ETIMEOUT.
    return { kind: 'failure', error: code === 'ECANCELLED' ? 'ETIMEOUT' : code };
  }
}
