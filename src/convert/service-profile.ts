/**
 * Reads a ServiceProfile of Linkerd: routes of one Service, all to the Service or to its replacements, with timeouts
 * and retries.
 *
 * Stage before: `convert.ts`. Stage after: `attached-routes.ts`.
 */
import { formatDuration } from '../gateway-api/durations.ts';
import type { Fields } from '../gateway-api/fields.ts';
import type { Surroundings } from './destinations.ts';
import type { ConvertDocument } from './documents.ts';
import { EVERY_REQUEST } from './guards.ts';
import { serviceOf } from './hosts.ts';
import type { Action, Entry, Json, Origin, ServiceName } from './model.ts';
import { readCondition } from './request-condition.ts';
import { failureCodes } from './response-classes.ts';
import { decimal, duration } from './scalars.ts';
import type { RouteSource } from './virtual-service.ts';

const SPEC_FIELDS = ['routes', 'retryBudget', 'dstOverrides', 'opaquePorts'];
const ROUTE_FIELDS = ['name', 'condition', 'isRetryable', 'timeout', 'responseClasses'];
const MAX_ROUTES = 10_000;

export function readServiceProfile(document: ConvertDocument, around: Surroundings): RouteSource | null {
  const { findings } = around;
  const spec = document.object.requiredFields('spec');
  if (spec === null) return null;
  spec.only(SPEC_FIELDS);
  const parent = serviceOf(document.name, document.namespace);
  if (parent === null || !document.name.includes('.')) {
    findings.error(
      'host',
      document.object,
      'metadata',
      `must have the name of a Service, NAME.NAMESPACE.svc.cluster.local, got ${document.name}`,
    );
    return null;
  }
  if (spec.has('opaquePorts'))
    findings.differs('left-out', spec, 'opaquePorts', 'write no route for these ports: they are tunnelled unread then');
  const backends = readOverrides(spec, parent, around);
  const common = { redirects: false, rewrite: null, port: null, namespace: null };
  const entries: Entry[] = spec.list('routes', MAX_ROUTES).flatMap((item) => {
    item.only(ROUTE_FIELDS);
    const origin = originOf(item, backends, around);
    const condition = item.requiredFields('condition');
    const terms = condition === null ? null : readCondition(condition, findings);
    return (terms ?? []).map(({ guard, excludes }) => ({ ...common, guard, excludes, origin, place: item.path }));
  });
  const rest: Origin = { fields: spec, name: null, action: (port) => ({ ...NOTHING, backendRefs: backends(port) }) };
  const last: Entry = { ...common, guard: EVERY_REQUEST, excludes: [], origin: rest, place: spec.path };
  reportBudget(spec, around);
  const clients = document.namespace === parent.namespace ? null : [document.namespace];
  return { document, spec, parents: [parent], entries: [...entries, last], clients };
}

const NOTHING: Action = { filters: [], backendRefs: [], timeouts: null, retry: null };

type Backends = (port: number | null) => readonly Json[];

function readOverrides(spec: Fields, parent: ServiceName, { findings }: Surroundings): Backends {
  const overrides = spec.list('dstOverrides', 1000).flatMap((item) => {
    item.only(['authority', 'weight']);
    const [, host = '', port] = /^(.*?)(?::(\d+))?$/.exec(item.requiredString('authority') ?? '')!;
    const service = serviceOf(host, parent.namespace);
    const weight = readWeight(item);
    if (service !== null) return [{ service, port: port === undefined ? null : Number(port), weight, item }];
    findings.differs('host', item, 'authority', `"${host}" is no Service of the cluster: its share is left out`);
    return [];
  });
  return (dialled) => {
    if (overrides.length === 0) return refs(spec, parent, dialled, null, findings);
    return overrides.flatMap(({ service, port, weight, item }) =>
      refs(item, service, port ?? dialled, weight, findings),
    );
  };
}

function refs(
  fields: Fields,
  { namespace, name }: ServiceName,
  port: number | null,
  weight: number | null,
  findings: Surroundings['findings'],
): Json[] {
  if (port !== null) return [{ namespace, name, port, ...(weight === null ? {} : { weight }) }];
  const why = `which ports there are only Service ${namespace}/${name} tells: give it as well (kubectl -n ${namespace} get service ${name} -o yaml)`;
  findings.error('service-unknown', fields, '', why);
  return [];
}

/** A Kubernetes quantity, such as 500m. */
function readWeight(item: Fields): number {
  const tree = item.tree('weight');
  const text = tree?.type === 'scalar' ? String(tree.value) : '';
  const [, number, milli] = /^(\d+(?:\.\d+)?)(m?)$/.exec(text) ?? [];
  if (number === undefined) {
    item.error('weight', 'wrong-type', 'must be a number such as 1 or 500m');
    return 0;
  }
  return Math.round(Number(number) * (milli === 'm' ? 1 : 1000));
}

function originOf(item: Fields, backends: Backends, around: Surroundings): Origin {
  const { findings } = around;
  const written = item.requiredString('name');
  const timeoutMs = duration(item, 'timeout', findings);
  const codes = failureCodes(item, findings);
  const retryable = item.boolean('isRetryable') ?? false;
  const retry = retryable ? { codes, attempts: 1 } : null;
  if (retryable) {
    const why =
      'Linkerd tries again while its budget lasts; here it is once, within the budget of --retry-budget: raise attempts for more';
    findings.differs('retry-differs', item, 'isRetryable', why);
  }
  const timeouts = timeoutMs === null ? null : { request: formatDuration(timeoutMs) };
  const name = written === null ? null : ruleName(written);
  if (written !== null && name !== written) {
    findings.note(
      'name',
      item,
      'name',
      `"${written}" is no name that a rule can have: it is ${name === '' ? 'left out' : `"${name}"`}`,
    );
  }
  return {
    fields: item,
    name: name === '' ? null : name,
    action: (port) => ({ filters: [], backendRefs: backends(port), timeouts, retry }),
  };
}

/** `GET /authors/{id}` becomes `get-authors-id`. */
function ruleName(written: string): string {
  return written
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 63)
    .replace(/-+$/, '');
}

function reportBudget(spec: Fields, { findings }: Surroundings): void {
  const budget = spec.fields('retryBudget');
  if (budget === null) return;
  budget.only(['retryRatio', 'minRetriesPerSecond', 'ttl']);
  const ratio = decimal(budget, 'retryRatio');
  const percent = ratio === null ? '' : ` ${Math.round(ratio * 100)}`;
  const why = `a budget is one of the sidecar here, not of a route: --retry-budget${percent} and --retry-reserve`;
  findings.differs('retry-differs', spec, 'retryBudget', why);
}
