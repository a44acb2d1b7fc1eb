/**
 * The backends: one object per `namespace/name:port` for the life of the process, with its addresses kept up to date.
 *
 * Stage before: `routing/table.ts`, which interns the backends it finds in rules. Stage after: the engines, which read
 * `addresses` and `state` for each request.
 *
 * Only backends of the current route tables are kept up to date; wrap each compilation in `beginCompile` and `endCompile`.
 * The others keep what was known of them: requests in flight may still refer to them.
 */
import type { Logger } from '../log.ts';
import type { Backend, InternBackend } from '../routing/decision.ts';
import { addressFault, faultText } from './addresses.ts';
import type { ServiceResolver, Subscription } from './resolver.ts';

export interface BackendStatus {
  readonly backend: Backend;
  /** Why it is not resolved, or only with its last good addresses; else null. */
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

export class BackendRegistry {
  readonly #resolver: ServiceResolver;
  readonly #logger: Logger;
  readonly #onChange: () => void;
  readonly #entries = new Map<string, Entry>();
  #compilation = 0;
  /** Those that the tables in the making have brought back, or brought up. */
  #opened: Entry[] = [];

  /** `onChange`: the addresses or the state of some backend are other ones now. */
  constructor(resolver: ServiceResolver, logger: Logger, onChange: () => void = () => undefined) {
    this.#resolver = resolver;
    this.#logger = logger;
    this.#onChange = onChange;
  }

  /** May be passed around without its object. */
  readonly intern: InternBackend = (namespace, name, port) => {
    const key = `${namespace}/${name}:${port}`;
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      const id = this.#entries.size;
      const backend: Backend = { namespace, name, port, key, id, addresses: [], state: 'pending' };
      entry = { backend, subscription: null, compilation: 0, error: null };
      this.#entries.set(key, entry);
    }
    entry.compilation = this.#compilation;
    if (entry.subscription === null) {
      const wanted = entry;
      wanted.subscription = this.#resolver.subscribe(namespace, name, () => this.#refresh(wanted));
      this.#opened.push(wanted);
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
      if (entry.compilation !== this.#compilation) release(entry);
    }
    this.#opened = [];
  }

  /** The new tables will never be in use: stop looking up backends that only they have. */
  abandonCompile(): void {
    for (const entry of this.#opened) release(entry);
    this.#opened = [];
  }

  /** Every key that has been interned, by id. */
  get keys(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /** Backends of the current tables, by id. */
  status(): readonly BackendStatus[] {
    return [...this.#entries.values()]
      .filter((entry) => entry.subscription !== null)
      .map(({ backend, error }) => ({ backend, error }));
  }

  #refresh(entry: Entry): void {
    const { backend, subscription } = entry;
    if (subscription === null) return;
    const { current, service } = subscription;
    // Wanted again after a while: what was known holds until the new lookup is done.
    if (current.state === 'pending' && backend.state === 'resolved') return;
    let { state, addresses, error } = current;
    const hasPort = service?.ports.some((port) => port.port === backend.port && port.protocol === 'TCP') ?? true;
    if (state === 'resolved' && !hasPort) {
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
    if (state === backend.state && (known === backend.addresses || known.length + backend.addresses.length === 0))
      return;
    backend.addresses = known;
    backend.state = state;
    this.#onChange();
  }
}

function release(entry: Entry): void {
  entry.subscription?.close();
  entry.subscription = null;
}

/** Loopback is left to the operator; connecting to the others would reach this pod, or nobody. */
function isRefused(address: string): boolean {
  const fault = addressFault(address);
  return fault !== null && fault !== 'loopback';
}
