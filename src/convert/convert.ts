/**
 * Converts rules of Istio and Linkerd to routes of the Gateway API, and reports all differences.
 *
 * Stage before: `cli/convert.ts` has the texts. Stage after: it writes the documents and the report.
 */
import { parseRoutes } from '../config/route-parser.ts';
import { NO_TEXT_LIMITS } from '../gateway-api/limits.ts';
import type { Problem } from '../gateway-api/types.ts';
import { attachedRoutes, type RouteNames } from './attached-routes.ts';
import { Subsets, type Surroundings } from './destinations.ts';
import { readDocuments, type ConvertDocument } from './documents.ts';
import { Findings } from './findings.ts';
import type { Json } from './model.ts';
import { readServiceProfile } from './service-profile.ts';
import { Services } from './services.ts';
import { readVirtualService, type RouteSource } from './virtual-service.ts';

export interface ConvertInput {
  readonly name: string;
  readonly text: string;
}

export interface Conversion {
  /** HTTPRoutes, and the Services created for them. */
  readonly documents: readonly Json[];
  /** Problems of the input by file and line, then those of the result. */
  readonly problems: readonly Problem[];
  /** Number of documents of the converted kinds. */
  readonly read: number;
}

const ISTIO = 'networking.istio.io';
const LINKERD = 'linkerd.io';

/** `namespace`: for documents without one. */
export function convert(inputs: readonly ConvertInput[], namespace: string): Conversion {
  const findings = new Findings();
  const documents = inputs.flatMap(({ name, text }) => readDocuments(name, text, namespace, findings));
  const services = new Services();
  const subsets = new Subsets(findings);
  for (const document of documents) if (isKind(document, 'Service', '')) services.add(document);
  for (const document of documents) if (isKind(document, 'DestinationRule', ISTIO)) subsets.add(document);
  const sources = documents.flatMap((document) => {
    const around = { services, subsets, findings, namespace: document.namespace };
    const source = readSource(document, around);
    // An unreadable document is not converted.
    return source === null || document.object.report.errors.length > 0 ? [] : [{ source, around }];
  });
  const routes = attachAll(sources, findings);
  for (const { object } of documents) findings.take(object.report.problems);
  reportOthers(documents, findings);
  const made = [...services.made, ...routes];
  const problems = [...findings.all()].sort(byPlace);
  return {
    documents: made,
    problems: [...problems, ...checked(made)],
    read: documents.filter(isConverted).length,
  };
}

function isKind({ kind, group }: ConvertDocument, wanted: string, of: string): boolean {
  return kind === wanted && group === of;
}

function isConverted(document: ConvertDocument): boolean {
  return isKind(document, 'VirtualService', ISTIO) || isKind(document, 'ServiceProfile', LINKERD);
}

function readSource(document: ConvertDocument, around: Surroundings): RouteSource | null {
  if (isKind(document, 'VirtualService', ISTIO)) return readVirtualService(document, around);
  return isKind(document, 'ServiceProfile', LINKERD) ? readServiceProfile(document, around) : null;
}

interface Source {
  readonly source: RouteSource;
  readonly around: Surroundings;
}

/** Of two sources for one Service and the same clients the older one counts, as in Istio. */
function attachAll(sources: readonly Source[], findings: Findings): Json[] {
  const age = ({ source }: Source): number => source.document.createdMs ?? Number.POSITIVE_INFINITY;
  const names: RouteNames = new Set();
  const first = new Map<string, RouteSource>();
  // Sorting is stable, so sources of the same age keep their order.
  const byAge = [...sources].sort((a, b) => (age(a) === age(b) ? 0 : age(a) - age(b)));
  return byAge.flatMap(({ source, around }) =>
    source.parents.flatMap((parent) => {
      const key = JSON.stringify([parent, source.clients]);
      const other = first.get(key);
      if (other === undefined) {
        first.set(key, source);
        return attachedRoutes(source, parent, around, names);
      }
      const { kind, namespace, name } = other.document;
      const why = `${kind} ${namespace}/${name} is for ${parent.namespace}/${parent.name} already, and is the one that counts: nothing is converted`;
      findings.differs('host-twice', source.spec, source.spec.has('hosts') ? 'hosts' : '', why);
      return [];
    }),
  );
}

function reportOthers(documents: readonly ConvertDocument[], findings: Findings): void {
  const known = ['VirtualService', 'DestinationRule', 'ServiceProfile'];
  for (const { kind, group, object } of documents) {
    if (group === '' || (known.includes(kind) && [ISTIO, LINKERD].includes(group))) continue;
    findings.differs('kind-not-converted', object, 'kind', `${kind}.${group} is left out`);
  }
}

function byPlace(a: Problem, b: Problem): number {
  return (a.file < b.file ? -1 : a.file > b.file ? 1 : 0) || a.document - b.document || (a.line ?? 0) - (b.line ?? 0);
}

/** The problems that `sideroute check` would report. */
function checked(documents: readonly Json[]): Problem[] {
  return documents.flatMap((document, index) => {
    const { problems } = parseRoutes('output', JSON.stringify(document), null, { limits: NO_TEXT_LIMITS });
    return problems
      .filter(({ severity }) => severity !== 'note')
      .map(({ severity, resource, path, message, code }) => ({
        ...{ severity, resource, path, file: 'output', document: index + 1, line: null },
        ...{ code: 'invalid-output', message: `${message} [${code}]; change it in the input, or by hand` },
      }));
  });
}
