/**
 * Finds the kinds of an API group that the cluster has, and their versions.
 *
 * Stage before: `client.ts`. Stage after: code that watches kinds which may not be installed.
 */
import { KubeError, type KubeClient } from './client.ts';
import { listOf, objectOf, textOf, type Json } from './json.ts';

export interface ResourceKind {
  readonly kind: string;
  /** `gateway.networking.k8s.io/v1`. */
  readonly apiVersion: string;
  /** The name in paths: `httproutes`. */
  readonly plural: string;
}

/** By kind, each in the most preferred version of the server that has it. Empty when the group does not exist. */
export async function discoverGroup(
  client: KubeClient,
  group: string,
  signal: AbortSignal,
): Promise<Map<string, ResourceKind>> {
  const found = new Map<string, ResourceKind>();
  const get = async (path: string): Promise<Json | null> => {
    try {
      return await client.send({ method: 'GET', path, signal });
    } catch (error) {
      if (error instanceof KubeError && error.status === 404) return null;
      throw error;
    }
  };
  const description = await get(`/apis/${group}`);
  if (description === null) return found;
  const preferred = textOf(objectOf(description, 'preferredVersion'), 'groupVersion');
  const versions = listOf(description, 'versions').map((version) => textOf(version, 'groupVersion'));
  for (const apiVersion of new Set([preferred, ...versions])) {
    if (apiVersion === null) continue;
    for (const resource of listOf(await get(`/apis/${apiVersion}`), 'resources')) {
      const [kind, plural] = [textOf(resource, 'kind'), textOf(resource, 'name')];
      // `httproutes/status` is a subresource.
      if (kind === null || plural === null || plural.includes('/') || found.has(kind)) continue;
      found.set(kind, { kind, apiVersion, plural });
    }
  }
  return found;
}
