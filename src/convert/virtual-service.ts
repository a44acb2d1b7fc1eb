/**
 * Reads a VirtualService of Istio: the Services and clients it applies to, and what it does with their requests.
 *
 * Stage before: `convert.ts`. Stage after: `attached-routes.ts`.
 */
import type { Fields } from '../gateway-api/fields.ts';
import type { Surroundings } from './destinations.ts';
import type { ConvertDocument } from './documents.ts';
import { serviceOf } from './hosts.ts';
import { readHttpRule } from './http-rule.ts';
import type { Entry, ServiceName } from './model.ts';
import { isRuleName } from './routes.ts';

export interface RouteSource {
  readonly document: ConvertDocument;
  readonly spec: Fields;
  readonly parents: readonly ServiceName[];
  readonly entries: readonly Entry[];
  /** Namespaces of the clients; null: all. */
  readonly clients: readonly string[] | null;
}

const SPEC_FIELDS = ['hosts', 'gateways', 'http', 'tls', 'tcp', 'exportTo'];
const MAX_HTTP = 10_000;

/** Null when no part applies to a sidecar, which is reported. */
export function readVirtualService(document: ConvertDocument, around: Surroundings): RouteSource | null {
  const { findings } = around;
  const spec = document.object.requiredFields('spec');
  if (spec === null) return null;
  spec.only(SPEC_FIELDS);
  for (const name of ['tls', 'tcp']) {
    if (spec.has(name))
      findings.differs(
        'not-http',
        spec,
        name,
        'connections that are not HTTP, or TLS, are tunnelled to the Service they dialled',
      );
  }
  const gateways = spec.textList('gateways', 1000).map(({ value }) => value);
  if (gateways.length > 0 && !gateways.includes('mesh')) {
    const why = `is for ${gateways.join(', ')} alone, and not for the mesh: write an HTTPRoute for your ingress Gateway`;
    findings.differs('gateway-only', spec, 'gateways', why);
    return null;
  }
  if (gateways.length > 1) {
    const others = gateways.filter((name) => name !== 'mesh').join(', ');
    findings.differs('gateway-only', spec, 'gateways', `what it does at ${others} needs an HTTPRoute for that Gateway`);
  }
  const parents = readHosts(spec, around);
  if (!spec.has('http')) {
    if (!spec.has('tls') && !spec.has('tcp')) findings.error('no-rule', spec, '', 'has no http');
    return null;
  }
  const entries = spec.list('http', MAX_HTTP).flatMap((item) => readHttpRule(item, around));
  reportNames(spec, around);
  reportRetries(spec, around);
  return { document, spec, parents, entries, clients: readExport(spec) };
}

/** Each Service once, even when it is listed by its short and its full name. */
function readHosts(spec: Fields, { namespace, findings }: Surroundings): ServiceName[] {
  spec.require('hosts');
  const services = new Map<string, ServiceName>();
  for (const { value } of spec.textList('hosts', 1000)) {
    const service = serviceOf(value, namespace);
    if (service !== null) {
      services.set(`${service.namespace}/${service.name}`, service);
      continue;
    }
    const why = value.includes('*')
      ? `"${value}" is no Service but a pattern: name each Service`
      : `"${value}" is no Service of the cluster, by its short name or as NAME.NAMESPACE.svc.cluster.local`;
    findings.differs('host', spec, 'hosts', `${why}; nothing is converted for it`);
  }
  return [...services.values()];
}

/** `.` means the namespace of the VirtualService. */
function readExport(spec: Fields): readonly string[] | null {
  const to = spec.textList('exportTo', 1000).map(({ value }) => value);
  return to.length === 0 || to.includes('*') ? null : to;
}

function reportNames(spec: Fields, { findings }: Surroundings): void {
  const names = new Set<string>();
  for (const item of spec.list('http', MAX_HTTP)) {
    const name = item.string('name');
    if (name === null) continue;
    const what = !isRuleName(name)
      ? 'is no name that a rule can have: it is left out'
      : 'stands twice: a number is put behind it';
    if (!isRuleName(name) || names.has(name)) findings.note('name', item, 'name', `"${name}" ${what}`);
    names.add(name);
  }
}

/** Reports the retries that Istio makes by default. */
function reportRetries(spec: Fields, { findings }: Surroundings): void {
  const forwards = spec.list('http', MAX_HTTP).filter((item) => item.has('route'));
  if (forwards.every((item) => item.has('retries'))) return;
  const why =
    'where a rule says nothing of retries, Istio tries twice more what failed before it reached the backend, and calls of gRPC ' +
    'that ended as unavailable or cancelled; here nothing is tried again: write retry where you want that';
  findings.note('retry-by-default', spec, 'http', why);
}
