/**
 * The backends: one object per `namespace/name:port`, with its addresses and what it speaks kept up to date.
 *
 * Stage before: `routing/table.ts`, which interns the backends it finds in rules. Stage after: the engines, which read
 * `addresses` and `state` for each request.
 *
 * Only backends of the current route tables are kept up to date; wrap each compilation in `beginCompile` and `endCompile`.
 * Of the others the last ones keep what was known of them, since what an edit takes away may come back with the next; so do
 * those that requests in progress still go to.
 */
import { backendProtocol, tcpPort } from '../config/support.ts';
import type { Logger } from '../log.ts';
import type { Backend, InternBackend } from '../routing/decision.ts';
import { addressFault, faultText } from './addresses.ts';
import { dnsWords } from './dns-words.ts';
import { absence, ASKED, presence, type Knowledge } from './knowledge.ts';
import { Numbers } from './numbers.ts';
import type { ServiceResolver, Subscription } from './resolver.ts';

export interface BackendStatus {
  readonly backend: Backend;
  /** Why it is not resolved, or only with its last good addresses, in words; else null. */
  readonly error: string | null;
}

interface Entry {
  readonly backend: Backend;
  /** Null while no route table refers to the backend. */
  subscription: Subscription | null;
  /** Compilation in which it was interned last. */
  compilation: number;
  error: string | null;
}

export interface BackendRegistryOptions {
  readonly resolver: Pick<ServiceResolver, 'subscribe'>;
  readonly logger: Logger;
  /** The addresses or the state of a backend are other ones now. */
  readonly onChange?: (backend: Backend) => void;
  /** Let go of a backend by its id, which may be given to another one then; false when something in progress needs it. */
  readonly drop?: (id: number) => boolean;
}

/** Backends that no table has: so many are kept. */
const MAX_RETIRED = 256;
/** As long as the first attempt at a name takes. */
const FIRST_ANSWERS_MS = 1_000;

export class BackendRegistry {
  readonly #resolver: Pick<ServiceResolver, 'subscribe'>;
  readonly #logger: Logger;
  readonly #onChange: (backend: Backend) => void;
  readonly #drop: (id: number) => boolean;
  readonly #entries = new Map<string, Entry>();
  /** Those that no table has, the one that was given up last at the end. */
  readonly #retired = new Set<Entry>();
  readonly #ids = new Numbers();
  #compilation = 0;
  /** Those that the tables in the making have brought back, or brought up. */
  #opened: Entry[] = [];
  /** Whose first answers somebody waits for. */
  #awaited: { readonly entries: Set<Entry>; readonly done: () => void } | null = null;

  constructor(options: BackendRegistryOptions) {
    this.#resolver = options.resolver;
    this.#logger = options.logger;
    this.#onChange = options.onChange ?? (() => undefined);
    this.#drop = options.drop ?? (() => true);
  }

  /** May be passed around without its object. */
  readonly intern: InternBackend = (namespace, name, port) => {
    const key = `${namespace}/${name}:${port}`;
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      const id = this.#ids.of(key);
      const backend: Backend = { namespace, name, port, key, id, addresses: [], state: 'pending' };
      entry = { backend, subscription: null, compilation: 0, error: null };
      this.#entries.set(key, entry);
    }
    entry.compilation = this.#compilation;
    if (entry.subscription === null) {
      const wanted = entry;
      wanted.subscription = this.#resolver.subscribe(namespace, name, () => this.#refresh(wanted));
      this.#opened.push(wanted);
      this.#retired.delete(wanted);
      this.#refresh(wanted);
    }
    return entry.backend;
  };

  /** Backends interned from here on belong to the next route tables. Call `resolver.setServices` first. */
  beginCompile(): void {
    this.#compilation++;
    this.#opened = [];
  }

  /** The new tables are in use: stop looking up backends that they do not have. */
  endCompile(): void {
    for (const entry of this.#entries.values()) {
      if (entry.subscription !== null && entry.compilation !== this.#compilation) this.#retire(entry);
    }
    this.#opened = [];
    for (const entry of this.#retired) {
      if (this.#retired.size <= MAX_RETIRED) break;
      if (this.#drop(entry.backend.id)) this.#forget(entry);
    }
  }

  /** The new tables will never be in use: stop looking up backends that only they have. */
  abandonCompile(): void {
    for (const entry of this.#opened) this.#retire(entry);
    this.#opened = [];
  }

  /** By id; null for one that stands for none. */
  get keys(): readonly (string | null)[] {
    return this.#ids.names;
  }

  /** Backends of the current tables. */
  status(): readonly BackendStatus[] {
    return [...this.#entries.values()]
      .filter((entry) => entry.subscription !== null)
      .map(({ backend, error }) => ({ backend, error: error === null ? null : dnsWords(error) }));
  }

  /** Those of the current tables and of those in the making. */
  get current(): readonly Backend[] {
    return [...this.#entries.values()]
      .filter(({ subscription }) => subscription !== null)
      .map(({ backend }) => backend);
  }

  /** Of backends that no table has: those that are more than are kept, the one that was given up first in front. */
  get surplusIds(): readonly number[] {
    return [...this.#retired].slice(0, Math.max(0, this.#retired.size - MAX_RETIRED)).map(({ backend }) => backend.id);
  }

  /** Keys of those of the current tables of which nothing is known yet, good or bad. */
  get waiting(): string[] {
    return [...this.#entries.values()].filter(isAsked).map(({ backend }) => backend.key);
  }

  /**
   * Resolves when something is known of all that the tables in the making have brought up, good or bad, and after a while in any case. One
   * at a time. Never rejects.
   */
  async firstAnswers(withinMs: number = FIRST_ANSWERS_MS): Promise<void> {
    const entries = new Set(this.#opened.filter(isAsked));
    if (entries.size === 0) return;
    await new Promise<void>((done) => {
      this.#awaited = { entries, done };
      setTimeout(done, withinMs).unref();
    });
    this.#awaited = null;
  }

  /** Backends of the current tables without an address. */
  get unresolved(): number {
    let count = 0;
    for (const { subscription, backend } of this.#entries.values()) {
      if (subscription !== null && backend.state !== 'resolved') count++;
    }
    return count;
  }

  /** `key`: `namespace/name:port`. Null when the current tables do not have it. */
  knowledge(key: string): Knowledge | null {
    const entry = this.#entries.get(key);
    if (entry?.subscription == null) return null;
    const { state } = entry.backend;
    return state === 'resolved' ? presence(entry.subscription.current) : absence(state, entry.error);
  }

  #answered(entry: Entry): void {
    if (this.#awaited?.entries.delete(entry) === true && this.#awaited.entries.size === 0) this.#awaited.done();
  }

  #retire(entry: Entry): void {
    entry.subscription?.close();
    entry.subscription = null;
    this.#retired.add(entry);
  }

  #forget(entry: Entry): void {
    const { key } = entry.backend;
    this.#retired.delete(entry);
    this.#entries.delete(key);
    this.#ids.forget(key);
  }

  #refresh(entry: Entry): void {
    const { backend, subscription } = entry;
    if (subscription === null) return;
    const { current, service } = subscription;
    const declared = service === null ? undefined : tcpPort(service, backend.port);
    const protocol = backendProtocol(declared?.appProtocol ?? null);
    if (protocol !== (backend.protocol ?? null)) {
      backend.protocol = protocol;
      this.#onChange(backend);
    }
    // Wanted again after a while: what was known holds until the new lookup is done.
    if (current.state === 'pending' && backend.state === 'resolved') return;
    let { state, addresses, error } = current;
    if (state === 'resolved' && service !== null && declared === undefined) {
      state = 'missing';
      error = `the Service has no TCP port ${backend.port}`;
    } else if (state === 'resolved') {
      const refused = addresses.find(isRefused);
      if (refused !== undefined) {
        error = faultText(refused, addressFault(refused)!);
        addresses = addresses.filter((address) => !isRefused(address));
        if (addresses.length === 0) state = 'missing';
      }
    }
    if (error !== null && error !== entry.error && error !== current.error) {
      this.#logger.warn('backend: not usable', { backend: backend.key, error });
    }
    entry.error = error;
    const known = state === 'resolved' ? addresses : [];
    const isSame = known === backend.addresses || known.length + backend.addresses.length === 0;
    if (state !== backend.state || !isSame) {
      backend.addresses = known;
      backend.state = state;
      this.#onChange(backend);
    }
    if (!isAsked(entry)) this.#answered(entry);
  }
}

/** Of a current table, and nothing is known of it yet, good or bad. */
function isAsked({ subscription, backend, error }: Entry): boolean {
  return subscription !== null && backend.state !== 'resolved' && absence(backend.state, error) === ASKED;
}

/** Loopback is left to the operator; connecting to the others would reach this pod, or nobody. */
function isRefused(address: string): boolean {
  const fault = addressFault(address);
  return fault !== null && fault !== 'loopback';
}
