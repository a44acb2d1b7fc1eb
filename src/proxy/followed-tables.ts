/**
 * The tables of a worker that receives its configuration: the current one, one that is being compiled or waits to
 * replace it, and the known addresses of backends.
 *
 * Stage before: the messages of the main thread, which has read and attached the routes and assigns every id. Stage
 * after: `decide` in this thread. Each worker compiles for itself, because threads cannot share objects.
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

/** A configuration that is being received. */
class Draft {
  readonly frontends: Frontend[] = [];
  readonly services = new Map<string, Service>();
  readonly series = new Map<string, number>();
  backends = new Set<number>();
}

export class FollowedTables {
  /** The last list received, looked up for each connection. */
  addresses: readonly FrontendAddress[] = [];
  readonly #accessLog: Pick<AccessLog, 'describeFrontend' | 'describeSeries'>;
  readonly #backends = new Map<number, Backend>();
  #draft = new Draft();
  #current: RouteTable;
  /** Compiled, and waiting to become the current table. */
  #next: RouteTable | null = null;
  /** The previous table, which becomes current again if other workers fail to switch. */
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

  /** Compiles the parts received since `begin`. */
  *compile(): Steps<void> {
    this.#next = yield* compileTableInSteps(attachmentOf(this.#draft), this.#deps());
  }

  /** Makes the compiled table the current one. */
  serve(): void {
    if (this.#next === null) throw new Error('nothing is compiled that could be served');
    this.#previous = this.#current;
    this.#current = this.#next;
    this.#next = null;
  }

  /** Returns true when the current table has changed. */
  abandon(): boolean {
    const previous = this.#previous;
    this.#draft = new Draft();
    this.#next = this.#previous = null;
    if (previous !== null) this.#current = previous;
    return previous !== null;
  }

  /** Called when all other workers serve the table, too. */
  settle(): void {
    const { backends } = this.#draft;
    for (const id of this.#backends.keys()) if (!backends.has(id)) this.#backends.delete(id);
    this.#draft = new Draft();
    this.#draft.backends = backends;
    this.#previous = null;
  }

  /** Returns true when a value has changed. */
  setBackend({ id, key, addresses, state, protocol }: Backend): boolean {
    const known = this.#backends.get(id);
    if (known?.key !== key) return false;
    const isSame = known.addresses.join() === addresses.join();
    if (isSame && known.state === state && (known.protocol ?? null) === (protocol ?? null)) return false;
    // The engine compares lists by identity.
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
