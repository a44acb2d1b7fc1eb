/**
 * Shared by `check` and `explain`: reads routes as the sidecars of certain pods would find and attach them, and checks
 * them against the Services given with them.
 *
 * Stage before: `route-sources.ts`. Stage after: the commands.
 */
import { attach } from '../config/attach.ts';
import type { Attachment } from '../config/attachment.ts';
import { mountedNamespace } from '../config/pod-namespace.ts';
import type { Problem, Service } from '../gateway-api/types.ts';
import { deadMatches } from '../lint/dead-matches.ts';
import { judgeServices } from './known-services.ts';
import { outrankedMatches } from '../lint/outranked-matches.ts';
import { readRouteSources, type RouteSource } from './route-sources.ts';
import { rulesWithoutBackends } from '../lint/rules-without-backends.ts';

export interface RouteInput extends RouteSource {
  readonly attachment: Attachment;
  /** Problems of the files and of the attachment, sorted by file, document and line. */
  readonly problems: readonly Problem[];
  /** `namespace/name` of referenced Services of which nothing is known. */
  readonly unchecked: readonly string[];
}

export interface RouteInputs {
  /** One for each volume of ConfigMaps, and one for all other files. */
  readonly inputs: readonly RouteInput[];
  /** `namespace/name` of the ConfigMaps that were left out because they belong to other namespaces. */
  readonly skipped: readonly string[];
}

/** `given`: from `--namespace`. Default: the namespace of the pod of this process, if there is one. */
export async function readRouteInputs(paths: readonly string[], given: string | null): Promise<RouteInputs> {
  const { sources, skipped } = await readRouteSources(paths, given ?? mountedNamespace(), given);
  // Services given with ConfigMaps are those of the cluster, which sidecars resolve by DNS.
  const beside = new Map<string, Service>();
  for (const { title, resources } of sources) {
    if (title !== '') continue;
    for (const resource of resources)
      if (resource.kind === 'Service') beside.set(`${resource.namespace}/${resource.name}`, resource);
  }
  return { inputs: sources.map((source) => inputOf(source, beside)), skipped };
}

function inputOf(source: RouteSource, beside: ReadonlyMap<string, Service>): RouteInput {
  const { resources, namespace } = source;
  const attachment = attach({ resources, namespace });
  const { problems: ofServices, unchecked } = judgeServices(resources, attachment, beside, namespace);
  const ofRules = [...deadMatches(resources), ...outrankedMatches(resources), ...rulesWithoutBackends(resources)];
  const problems = [...source.problems, ...attachment.problems, ...ofServices, ...ofRules].sort(
    (a, b) =>
      (a.file < b.file ? -1 : a.file > b.file ? 1 : 0) || a.document - b.document || (a.line ?? 0) - (b.line ?? 0),
  );
  return { ...source, attachment, problems, unchecked };
}
