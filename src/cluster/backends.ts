/**
 * The backends: one object for each `namespace/name:port`, whose addresses and protocol are kept up to date.
 *
 * Stage before: `routing/table.ts`, which interns the backends it finds in rules. Stage after: the engines, which read
 * `addresses` and `state` for each request.
 *
 * Only backends of the current route tables are updated; call `beginCompile` and `endCompile` around each compilation.
 * Backends that are no longer used keep their last state: the most recent ones, because the next edit may use them
 * again, and those with requests in progress.
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
  /** Why it is not resolved, or only with its last good addresses; otherwise null. */
  readonly error: string | null;
}

interface Entry {
  readonly backend: Backend;
  /** Null while no route table refers to the backend. */
  subscription: Subscription | null;
  /** The last compilation that interned it. */
  compilation: number;
  error: string | null;
}

export interface BackendRegistryOptions {
  readonly resolver: Pick<ServiceResolver, 'subscribe'>;
  readonly logger: Logger;
  /** Called when the addresses or the state of a backend have changed. */
  readonly onChange?: (backend: Backend) => void;
  /** Frees a backend by its id, which may then be reused. Returns false when something in progress needs it. */
  readonly drop?: (id: number) => boolean;
}

/** Number of unused backends that are kept. */
const MAX_RETIRED = 256;
/** The duration of the first attempt to resolve a name. */
const FIRST_ANSWERS_MS = 1_000;

export class BackendRegistry {
  readonly #resolver: Pick<ServiceResolver, 'subscribe'>;
  readonly #logger: Logger;
  readonly #onChange: (backend: Backend) => void;
  readonly #drop: (id: number) => boolean;
  readonly #entries = new Map<string, Entry>();
  /** Backends in no table, the most recently retired last. */
  readonly #retired = new Set<Entry>();
  readonly #ids = new Numbers();
  #compilation = 0;
  /** Backends added or reactivated by the tables that are being compiled. */
  #opened: Entry[] = [];
  /** The backends whose first answers a caller awaits. */
  #awaited: { readonly entries: Set<Entry>; readonly done: () => void } | null = null;

  constructor(options: BackendRegistryOptions) {
    this.#resolver = options.resolver;
    this.#logger = options.logger;
    this.#onChange = options.onChange ?? (() => undefined);
    this.#drop = options.drop ?? (() => true);
  }

  /** A property, so that it can be passed on without its object. */
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

  /** Backends interned after this call belong to the next route tables. Call `resolver.setServices` first. */
  beginCompile(): void {
    this.#compilation++;
    this.#opened = [];
  }

  /** The new tables are in use: stops looking up backends that they do not have. */
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

  /** The new tables are discarded: stops looking up backends that only they have. */
  abandonCompile(): void {
    for (const entry of this.#opened) this.#retire(entry);
    this.#opened = [];
  }

  /** Keys by id; null for an unused id. */
  get keys(): readonly (string | null)[] {
    return this.#ids.names;
  }

  /** Backends of the current tables. */
  status(): readonly BackendStatus[] {
    return [...this.#entries.values()]
      .filter((entry) => entry.subscription !== null)
      .map(({ backend, error }) => ({ backend, error: error === null ? null : dnsWords(error) }));
  }

  /** Backends of the current tables and of those being compiled. */
  get current(): readonly Backend[] {
    return [...this.#entries.values()]
      .filter(({ subscription }) => subscription !== null)
      .map(({ backend }) => backend);
  }

  /** Ids of unused backends beyond the number to keep, the first one retired first. */
  get surplusIds(): readonly number[] {
    return [...this.#retired].slice(0, Math.max(0, this.#retired.size - MAX_RETIRED)).map(({ backend }) => backend.id);
  }

  /** Keys of the backends in current tables whose state is still unknown. */
  get waiting(): string[] {
    return [...this.#entries.values()].filter(isAsked).map(({ backend }) => backend.key);
  }

  /**
   * Resolves when the state of all backends added by the tables being compiled is known, or after a timeout. Calls must
   * not overlap. Never rejects.
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

  /** `key`: `namespace/name:port`. Null when it is not in the current tables. */
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
    // A reactivated backend keeps its old addresses until the new lookup is done.
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

/** True for a backend in a table whose state is still unknown. */
function isAsked({ subscription, backend, error }: Entry): boolean {
  return subscription !== null && backend.state !== 'resolved' && absence(backend.state, error) === ASKED;
}

/** A loopback address is allowed, because the operator may want it. The others would lead to this pod or to nothing. */
function isRefused(address: string): boolean {
  const fault = addressFault(address);
  return fault !== null && fault !== 'loopback';
}
