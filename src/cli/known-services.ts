/**
 * Checks the references of routes against the given Services, among the routes or in addition to them, and lists the
 * Services of which nothing is known.
 *
 * Used by `route-input.ts`. If a namespace has at least one Service document, a missing Service gives a warning: it may
 * be misspelt, or intentionally left to DNS. If it has none, nothing can be said.
 */
import { attach } from '../config/attach.ts';
import type { Attachment } from '../config/attachment.ts';
import { labelOf, problemAt, serviceParents } from '../config/progress.ts';
import { referenceProblems, referencesOf } from '../config/route-references.ts';
import { isCarriedRoute, serviceKey } from '../config/support.ts';
import { suggest } from '../gateway-api/suggest.ts';
import type { CarriedRoute, Problem, Resource, Service } from '../gateway-api/types.ts';

export interface ServicesJudged {
  readonly problems: readonly Problem[];
  /** `namespace/name`. */
  readonly unchecked: readonly string[];
}

/** `beside`: further Services that are known but not among the files, by `namespace/name`. */
export function judgeServices(
  resources: readonly Resource[],
  attachment: Attachment,
  beside: ReadonlyMap<string, Service>,
  namespace: string | null,
): ServicesJudged {
  const services = new Map([...beside, ...attachment.services]);
  const names = new Map<string, string[]>();
  for (const service of services.values())
    names.set(service.namespace, [...(names.get(service.namespace) ?? []), service.name]);
  const problems = [...parentProblems(resources, attachment, beside, namespace)];
  const unchecked = new Set<string>();
  for (const route of routesOnce(resources)) {
    problems.push(...referenceProblems(route, services));
    for (const { path, namespace: of, name } of namedServices(route)) {
      if (services.has(serviceKey(of, name))) continue;
      const known = names.get(of);
      if (known === undefined) unchecked.add(serviceKey(of, name));
      else problems.push(unknownService(route, path, of, name, known));
    }
  }
  return { problems, unchecked: [...unchecked].sort() };
}

/** The first route of each name. The others are reported as errors elsewhere. */
function routesOnce(resources: readonly Resource[]): CarriedRoute[] {
  const routes = new Map<string, CarriedRoute>();
  for (const resource of resources) {
    const key = labelOf(resource);
    if (isCarriedRoute(resource) && !routes.has(key)) routes.set(key, resource);
  }
  return [...routes.values()];
}

interface NamedService {
  readonly path: string;
  readonly namespace: string;
  readonly name: string;
}

/** Parents, and backends that get requests. */
function namedServices(route: CarriedRoute): NamedService[] {
  const backends = referencesOf(route)
    .filter(({ ref, used }) => used && ref.group === '' && ref.kind === 'Service')
    .map(({ ref, path }) => ({ path, namespace: ref.namespace, name: ref.name }));
  return [...serviceParents(route), ...backends];
}

function unknownService(
  route: CarriedRoute,
  path: string,
  namespace: string,
  name: string,
  known: readonly string[],
): Problem {
  const near = suggest(name, known);
  const advice = near === null ? 'there are others of its namespace' : `did you mean "${near}"?`;
  return {
    ...problemAt(route, path),
    severity: 'warning',
    code: 'unknown-service',
    message: `Service ${serviceKey(namespace, name)} is not among the documents, ${advice}; a sidecar asks DNS for it`,
  };
}

/** The problems of parentRefs that would occur if the Services in `beside` were among the files. */
function parentProblems(
  resources: readonly Resource[],
  attachment: Attachment,
  beside: ReadonlyMap<string, Service>,
  namespace: string | null,
): Problem[] {
  const others = [...beside].filter(([key]) => !attachment.services.has(key)).map(([, service]) => service);
  if (others.length === 0) return [];
  const told = new Set(attachment.problems.map(keyOf));
  return attach({ resources: [...resources, ...others], namespace }).problems.filter(
    (problem) => problem.code === 'no-matching-parent' && !told.has(keyOf(problem)),
  );
}

function keyOf({ code, resource, path }: Problem): string {
  return `${code} ${resource ?? ''} ${path}`;
}
