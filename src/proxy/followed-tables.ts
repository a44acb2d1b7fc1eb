/**
 * The tables of a worker that is told what to serve: one that decides, one that is being made or waits to take its place, and what is known
 * of the addresses of backends.
 *
 * Stage before: the messages of the main thread, which has read and attached the routes and gives every id. Stage after: `decide` in this
 * thread. A worker compiles by itself, since objects of one thread are none of another.
 */
import type { FrontendAddress } from '../addon/binding.ts';
import type { AttachedRule, Attachment } from '../config/attachment.ts';
import { serviceKey } from '../config/support.ts';
import type { Service } from '../gateway-api/types.ts';
import type { AccessLog } from '../observe/access-log.ts';
import { MAX_SERIES, OTHER_LABELS } from '../observe/metrics.ts';
import { seriesKey } from '../observe/series-slots.ts';
import type { Backend, CompileDeps } from '../routing/decision.ts';
import { compileTable, compileTableInSteps, type RouteTable } from '../routing/table.ts';
import type { Steps } from '../slices.ts';
import type { ConfigurationPart } from './worker-messages.ts';

type Frontend = NonNullable<ConfigurationPart['frontends']>[number] & { readonly rules: AttachedRule[] };

/** A configuration in the making. */
class Draft {
  readonly frontends: Frontend[] = [];
  readonly services = new Map<string, Service>();
  readonly series = new Map<string, number>();
  backends = new Set<number>();
}

export class FollowedTables {
  /** Looked up for each connection, as last told. */
  addresses: readonly FrontendAddress[] = [];
  readonly #accessLog: Pick<AccessLog, 'describeFrontend' | 'describeSeries'>;
  readonly #backends = new Map<number, Backend>();
  #draft = new Draft();
  #current: RouteTable;
  /** Compiled, to be the current one. */
  #next: RouteTable | null = null;
  /** Was the current one, and is again if the others do not follow. */
  #previous: RouteTable | null = null;

  constructor(accessLog: Pick<AccessLog, 'describeFrontend' | 'describeSeries'>) {
    this.#accessLog = accessLog;
    this.#current = compileTable(attachmentOf(this.#draft), this.#deps());
  }

  get current(): RouteTable {
    return this.#current;
  }

  begin(): void {
    this.#draft = new Draft();
  }

  add({ frontends = [], rules, services = [], backends = [], series = [] }: ConfigurationPart): void {
    const draft = this.#draft;
    for (const frontend of frontends) draft.frontends.push({ ...frontend, rules: [] });
    if (rules !== undefined) draft.frontends[rules.frontend]!.rules.push(...rules.rules);
    for (const service of services) draft.services.set(serviceKey(service.namespace, service.name), service);
    for (const backend of backends) {
      draft.backends.add(backend.id);
      if (this.#backends.get(backend.id)?.key === backend.key) this.setBackend(backend);
      else this.#backends.set(backend.id, backend);
    }
    for (const [key, id] of series) draft.series.set(key, id);
  }

  /** What has come since `begin`. */
  *compile(): Steps<void> {
    this.#next = yield* compileTableInSteps(attachmentOf(this.#draft), this.#deps());
  }

  /** What was compiled decides from now on. */
  serve(): void {
    if (this.#next === null) throw new Error('nothing is compiled that could be served');
    this.#previous = this.#current;
    this.#current = this.#next;
    this.#next = null;
  }

  /** True: another table decides. */
  abandon(): boolean {
    const previous = this.#previous;
    this.#draft = new Draft();
    this.#next = this.#previous = null;
    if (previous !== null) this.#current = previous;
    return previous !== null;
  }

  /** All others serve it, too. */
  settle(): void {
    const { backends } = this.#draft;
    for (const id of this.#backends.keys()) if (!backends.has(id)) this.#backends.delete(id);
    this.#draft = new Draft();
    this.#draft.backends = backends;
    this.#previous = null;
  }

  /** True when something of it is another thing now. */
  setBackend({ id, key, addresses, state, protocol }: Backend): boolean {
    const known = this.#backends.get(id);
    if (known?.key !== key) return false;
    const isSame = known.addresses.join() === addresses.join();
    if (isSame && known.state === state && (known.protocol ?? null) === (protocol ?? null)) return false;
    // The engine knows a list by its identity.
    if (!isSame) known.addresses = addresses;
    known.state = state;
    known.protocol = protocol ?? null;
    return true;
  }

  #deps(): CompileDeps {
    const { frontends, series, backends } = this.#draft;
    const frontendIds = new Map(frontends.map(({ key, id }) => [key, id]));
    const byKey = new Map([...backends].map((id) => [this.#backends.get(id)!.key, this.#backends.get(id)!]));
    return {
      frontendId: (key) => this.#accessLog.describeFrontend(frontendIds.get(key)!, key),
      internBackend: (namespace, name, port) => byKey.get(`${namespace}/${name}:${port}`)!,
      internSeries: (labels) => {
        const id = series.get(seriesKey(labels));
        if (id !== undefined) return this.#accessLog.describeSeries(id, labels);
        return this.#accessLog.describeSeries(MAX_SERIES, OTHER_LABELS);
      },
    };
  }
}

function attachmentOf({ frontends, services }: Draft): Attachment {
  return { frontends, services, conditions: [], subjects: [], problems: [] };
}
