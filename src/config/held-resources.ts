/**
 * The last good version of what is refused now: a live edit with an error in a field must not turn a route off, no more than an
 * API server would take it.
 *
 * Used by `route-files.ts` after each read. An object is known by its kind, namespace and name, so that it may have moved to
 * another file. One that is no longer there is gone; one that was never good stays out. Nothing of it outlives the process.
 */
import type { RefusedRoute, Resource } from '../gateway-api/types.ts';
import { labelOf } from './progress.ts';

/** What was found in a file and could not be used. */
export interface FileLosses {
  readonly file: string;
  /** Labels of Services that are refused. */
  readonly services: readonly string[];
  /** Something that does not even say what it is: it may have been any object of the file that is not there now. */
  readonly unidentified: boolean;
}

export interface KeptResources {
  readonly resources: readonly Resource[];
  /** Labels of those that are not what the files now say. */
  readonly held: readonly string[];
}

/** `previous`: what came of it the last time. */
export function keepLastGood(
  resources: readonly Resource[],
  losses: readonly FileLosses[],
  previous: readonly Resource[],
): KeptResources {
  const lost = losses.some(({ services, unidentified }) => unidentified || services.length > 0);
  if (!lost && !resources.some(({ kind }) => kind === 'RefusedRoute')) return { resources, held: [] };
  const good = new Map<string, Resource>();
  for (const resource of previous) if (resource.kind !== 'RefusedRoute') good.set(labelOf(resource), resource);
  /** There now, or taken care of. */
  const present = new Set(resources.filter(({ kind }) => kind !== 'RefusedRoute').map(labelOf));
  const held: string[] = [];
  const hold = (label: string): Resource | null => {
    const last = present.has(label) ? undefined : good.get(label);
    if (last === undefined) return null;
    present.add(label);
    held.push(label);
    return last;
  };
  const kept = resources.map((resource) => {
    if (resource.kind !== 'RefusedRoute') return resource;
    const last = hold(labelOf(resource));
    return last === null ? resource : lastGood(last, resource);
  });
  const refused = new Set(resources.filter(({ kind }) => kind === 'RefusedRoute').map(labelOf));
  for (const { file, services, unidentified } of losses) {
    const candidates = unidentified
      ? [...good].filter(([label, { source }]) => source.file === file && !refused.has(label)).map(([label]) => label)
      : [];
    for (const label of new Set([...services, ...candidates])) {
      const last = hold(label);
      if (last !== null) kept.push(heldWithout(last));
    }
  }
  return { resources: kept, held };
}

/** At the place of the refused version, whose generation its conditions are about. */
function lastGood(last: Resource, refused: RefusedRoute): Resource {
  if (last.kind === 'Service' || last.kind === 'RefusedRoute') return last;
  const { source, message, generation } = refused;
  return { ...last, source, generation: generation ?? last.generation, held: message };
}

function heldWithout(last: Resource): Resource {
  if (last.kind === 'Service' || last.kind === 'RefusedRoute') return last;
  return { ...last, held: 'the file has a document that does not say what it is' };
}
