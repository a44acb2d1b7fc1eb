/**
 * Converts the destinations of a VirtualService to references to Services: hosts, subsets of DestinationRules, and
 * ports.
 *
 * Used by `http-rule.ts`.
 */
import type { Fields } from '../gateway-api/fields.ts';
import type { ConvertDocument } from './documents.ts';
import type { Findings } from './findings.ts';
import { serviceOf } from './hosts.ts';
import type { Json, ServiceName } from './model.ts';
import { textMap } from './scalars.ts';
import { subsetName, type Services } from './services.ts';

interface Subset {
  readonly labels: Readonly<Record<string, string>>;
  readonly fields: Fields;
}

const RULE_FIELDS = ['host', 'trafficPolicy', 'subsets', 'exportTo', 'workloadSelector'];
const MAX_SUBSETS = 1000;

/** The subsets of all DestinationRules in the input, by host. */
export class Subsets {
  readonly #subsets = new Map<string, Subset>();
  readonly #findings: Findings;

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  add({ object, namespace }: ConvertDocument): void {
    const spec = object.requiredFields('spec');
    if (spec === null) return;
    spec.only(RULE_FIELDS);
    const host = spec.requiredString('host');
    const service = host === null ? null : serviceOf(host, namespace);
    this.#leftOut(spec);
    if (host !== null && service === null) {
      this.#findings.differs('host', spec, 'host', `"${host}" is no Service of the cluster`);
      return;
    }
    for (const item of spec.list('subsets', MAX_SUBSETS)) {
      item.only(['name', 'labels', 'trafficPolicy']);
      const name = item.requiredString('name');
      this.#leftOut(item);
      if (name === null || service === null) continue;
      const key = `${service.namespace}/${service.name} ${name}`;
      const labels = Object.fromEntries(textMap(item, 'labels'));
      if (!this.#subsets.has(key)) this.#subsets.set(key, { labels, fields: item });
    }
  }

  #leftOut(fields: Fields): void {
    if (fields.has('trafficPolicy')) {
      const why =
        'load balancing, limits, ejection of outliers and TLS are left out: a route chooses a Service, no more';
      this.#findings.differs('traffic-policy', fields, 'trafficPolicy', why);
    }
    if (fields.has('workloadSelector')) {
      this.#findings.differs('source-labels', fields, 'workloadSelector', 'a choice of client pods is left out');
    }
  }

  find({ namespace, name }: ServiceName, subset: string): Subset | null {
    return this.#subsets.get(`${namespace}/${name} ${subset}`) ?? null;
  }
}

/** The context in which destinations are resolved. */
export interface Surroundings {
  readonly services: Services;
  readonly subsets: Subsets;
  /** Namespace of the VirtualService. */
  readonly namespace: string;
  readonly findings: Findings;
}

/** A reference to the Service, without weight; null after a problem was reported. `dialled`: port of the parent. */
export function readDestination(item: Fields, dialled: number | null, around: Surroundings): Json | null {
  const { findings } = around;
  item.only(['host', 'subset', 'port']);
  const host = item.requiredString('host');
  if (host === null) return null;
  const service = serviceOf(host, around.namespace);
  if (service === null) {
    const why = `"${host}" is no Service of the cluster, by its short name or as NAME.NAMESPACE.svc.cluster.local: the destination is left out`;
    findings.differs('host', item, 'host', why);
    return null;
  }
  const port = readPort(item, service, dialled, around);
  if (port === null) return null;
  const subset = item.string('subset');
  const name = subset === null ? service.name : subsetService(item, service, subset, around);
  return { name, namespace: service.namespace, port };
}

function readPort(item: Fields, service: ServiceName, dialled: number | null, around: Surroundings): number | null {
  const written = item.fields('port');
  written?.only(['number']);
  if (written !== null) return written.require('number') ? written.port('number') : null;
  const known = around.services.find(service);
  if (known?.ports.length === 1) return known.ports[0]!.port;
  if (dialled !== null) return dialled;
  const { namespace, name } = service;
  around.findings.error(
    'service-unknown',
    item,
    'host',
    `which port is meant only Service ${namespace}/${name} tells: give it as well (kubectl -n ${namespace} get service ${name} -o yaml), or name port.number`,
  );
  return null;
}

function subsetService(item: Fields, service: ServiceName, subset: string, around: Surroundings): string {
  const { services, subsets, findings } = around;
  const of = `${service.namespace}/${service.name}`;
  const found = subsets.find(service, subset);
  const made = found === null ? null : services.forSubset(service, subset, found.labels);
  if (made !== null) return made;
  const name = subsetName(service.name, subset);
  if (found === null) {
    const why = `no DestinationRule in the input has subset "${subset}" of Service ${of}: give it as well, or make a Service ${name} for these pods`;
    findings.differs('subset', item, 'subset', why);
  } else {
    const labels = Object.entries(found.labels).map(([label, value]) => `${label}: ${value}`);
    const why = `make a Service ${name} in namespace ${service.namespace}: the selector and ports of Service ${service.name}, and the labels ${labels.join(', ')}; with that Service in the input it is made here`;
    findings.differs('service-needed', item, 'subset', why);
  }
  return name;
}
