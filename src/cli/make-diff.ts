/**
 * Compares the configuration of sidecars with the one they would get from the routes of their cluster or from files.
 *
 * Stage before: `diff.ts`. Stage after: `config-diff/`.
 */
import type { Command } from 'commander';
import { KINDS } from '../cluster-check/kinds.ts';
import { compareConfigs, canCompare, type ConfigDiff } from '../config-diff/compare.ts';
import { diffText } from '../config-diff/diff-text.ts';
import { plan, withChanges, withoutRoutes } from '../config-diff/planned.ts';
import { mountedNamespace } from '../config/pod-namespace.ts';
import { labelOf } from '../config/progress.ts';
import { parseRoutes } from '../config/route-parser.ts';
import { ProxyError } from '../errors.ts';
import { clusterObjectOf } from '../export/cluster-objects.ts';
import { NO_TEXT_LIMITS } from '../gateway-api/limits.ts';
import { problemText } from '../gateway-api/problem-text.ts';
import type { Resource } from '../gateway-api/types.ts';
import { KubeError, type KubeClient } from '../kube/client.ts';
import type { Json } from '../kube/json.ts';
import { pagesOf } from '../kube/pages.ts';
import type { TargetFlags } from '../kube/kubeconfig.ts';
import { askAdmin, type AdminTarget } from './admin-client.ts';
import { inClusterWords, openCluster } from './cluster-access.ts';
import { refuseTwice } from './manifest-input.ts';
import type { AdminAddress, OutputFormat } from './options.ts';
import { askPods } from './pod-admin.ts';
import { readRouteSources } from './route-sources.ts';
import { writeNote } from './standard-streams.ts';

export interface DiffRequest {
  readonly command: Command;
  readonly pod: string | undefined;
  readonly files: readonly string[];
  /** Routes, `namespace/name`, that are to be looked at as if they had been deleted. */
  readonly without: readonly string[];
  readonly admin: AdminAddress;
  readonly output: OutputFormat;
  readonly all: boolean;
  readonly target: TargetFlags;
}

const PAGE_SIZE = 250;
/** More than any cluster has. */
const MAX_OBJECTS = 100_000;
const KINDS_OF_ROUTES = ['httpRoutes', 'grpcRoutes', 'tlsRoutes', 'tcpRoutes', 'services'] as const;

export async function makeDiff(request: DiffRequest): Promise<void> {
  const { command, pod, files, without, admin, output, all, target } = request;
  refuseTwice(files);
  let namespace = mountedNamespace();
  let present: Resource[] = [];
  if (pod !== undefined) {
    const cluster = await openCluster(target);
    namespace = cluster.namespace;
    try {
      present = await resourcesOf(cluster.client);
    } catch (error) {
      throw inClusterWords(error, cluster);
    } finally {
      cluster.client.close();
    }
  }
  const changes = await readChanges(files, namespace);
  const { resources, missing } = withoutRoutes(withChanges(present, changes), without);
  if (missing.length > 0) {
    const where = pod === undefined ? 'in the files' : 'in the cluster and the files';
    throw new ProxyError('no-routes', `--without ${missing.join(', ')}: there is no such route ${where}`);
  }
  const { config, problems } = await plan(resources, namespace);
  const own = new Set(changes.map(labelOf));
  for (const problem of problems) {
    if (problem.severity === 'error' && problem.resource !== null && own.has(problem.resource))
      writeNote(`sideroute: ${problemText(problem)}\n`);
  }
  const ask = async (of: AdminTarget): Promise<ConfigDiff> => {
    const served = await askAdmin(of, '/config');
    if (!canCompare(served))
      throw new ProxyError(
        'admin-unreachable',
        'the sidecar answers no routes and frontends: it is of another version',
      );
    return compareConfigs(served, config);
  };
  const diffs = await askPods(command, pod, { admin, output, all }, { ask, text: diffText });
  // With --all, a pod without answer sets status 1, which would mean a difference.
  if (process.exitCode === 1) process.exitCode = 3;
  else if (diffs.some(({ same }) => !same)) process.exitCode = 1;
}

/** @throws ProxyError for unreadable input, and for documents that an API server would refuse */
async function readChanges(files: readonly string[], namespace: string | null): Promise<Resource[]> {
  if (files.length === 0) return [];
  const { sources } = await readRouteSources(files, namespace, null);
  const resources = sources.flatMap((source) => source.resources);
  for (const problem of sources.flatMap((source) => source.problems)) {
    if (problem.severity !== 'note') writeNote(`sideroute: ${problemText(problem)}\n`);
  }
  if (resources.length > 0) return resources;
  throw new ProxyError('no-routes', `there are no routes and Services in ${files.join(', ')}`);
}

/** The routes and Services of the whole cluster, read like in the controller. */
async function resourcesOf(client: KubeClient): Promise<Resource[]> {
  const resources: Resource[] = [];
  for (const kind of KINDS_OF_ROUTES) {
    const { groups, plural } = KINDS[kind];
    for (const group of groups) {
      const items = await list(client, `${group}/${plural}`);
      if (items === null) continue;
      for (const item of items) {
        const object = clusterObjectOf(item);
        if (object === null) continue;
        const label = `${object.kind} ${object.namespace}/${object.name}`;
        resources.push(
          ...parseRoutes(label, JSON.stringify(object.manifest), object.namespace, { limits: NO_TEXT_LIMITS })
            .resources,
        );
      }
      break;
    }
  }
  return resources;
}

/** Null when the API server does not have the kind. */
async function list(client: KubeClient, path: string): Promise<Json[] | null> {
  const found: Json[] = [];
  try {
    for await (const { items } of pagesOf(path, PAGE_SIZE, (query) =>
      client.send({ method: 'GET', path, query: { ...query } }),
    )) {
      found.push(...items);
      if (found.length > MAX_OBJECTS) throw new ProxyError('cluster', `${path}: there are more than ${MAX_OBJECTS}`);
    }
  } catch (error) {
    if (error instanceof KubeError && error.status === 404) return null;
    throw error;
  }
  return found;
}
