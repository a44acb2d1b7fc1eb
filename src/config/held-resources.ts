/**
 * Keeps the last good version of refused resources: a live edit with an error in a field must not turn a route off. An
 * API server would not accept such an edit either.
 *
 * Used by `route-files.ts` after each read. An object is identified by kind, namespace and name, so it may move to
 * another file. An object that is no longer in the files is dropped. An object that was never good is not kept. Nothing
 * survives the process.
 */
import type { RefusedRoute, Resource } from '../gateway-api/types.ts';
import { labelOf } from './progress.ts';

/** What was found in a file but could not be used. */
export interface FileLosses {
  readonly file: string;
  /** Labels of refused Services. */
  readonly services: readonly string[];
  /**
   * True when the file contains an object that cannot be identified. It may be any object of the file that is missing
   * now.
   */
  readonly unidentified: boolean;
}

export interface KeptResources {
  readonly resources: readonly Resource[];
  /** Labels of the resources that differ from the files. */
  readonly held: readonly string[];
}

/** `previous`: the result of the last call. */
export function keepLastGood(
  resources: readonly Resource[],
  losses: readonly FileLosses[],
  previous: readonly Resource[],
): KeptResources {
  const lost = losses.some(({ services, unidentified }) => unidentified || services.length > 0);
  if (!lost && !resources.some(({ kind }) => kind === 'RefusedRoute')) return { resources, held: [] };
  const good = new Map<string, Resource>();
  for (const resource of previous) if (resource.kind !== 'RefusedRoute') good.set(labelOf(resource), resource);
  /** Objects that are present or already handled. */
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

/**
 * The last good version, located at the refused version and with its generation, because the conditions are about that
 * one.
 */
function lastGood(last: Resource, refused: RefusedRoute): Resource {
  if (last.kind === 'Service' || last.kind === 'RefusedRoute') return last;
  const { source, message, generation } = refused;
  return { ...last, source, generation: generation ?? last.generation, held: message };
}

function heldWithout(last: Resource): Resource {
  if (last.kind === 'Service' || last.kind === 'RefusedRoute') return last;
  return { ...last, held: 'the file has a document that does not say what it is' };
}
