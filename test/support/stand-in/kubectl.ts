/** The kubectl verbs that the documents use, against a stand-in cluster. Any other verb fails with an error. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import { parseManifests, type Manifest } from '../manifests.ts';
import { parseArguments, type Arguments } from './arguments.ts';
import type { StandInCluster } from './cluster.ts';
import { CommandError, kindOf, matchesLabels, referenceOf, type StoredObject } from './objects.ts';
import { print } from './output.ts';
import type { PlayedPod } from './pods.ts';
import type { Reply, Request, Said } from './protocol.ts';

interface Call extends Arguments {
  readonly cluster: StandInCluster;
  readonly request: Request;
  readonly namespace: string;
}

const said = (stdout: string): Said => ({ status: 0, stdout, stderr: '' });

/** Answers one command. @throws CommandError with what kubectl would say */
export async function kubectl(cluster: StandInCluster, request: Request): Promise<Reply> {
  const given = parseArguments(request.args);
  const call: Call = { ...given, cluster, request, namespace: given.flags.get('namespace') ?? cluster.namespace };
  const [verb = '', second = ''] = call.words;
  const action = VERBS[verb] ?? VERBS[`${verb} ${second}`];
  if (action === undefined)
    throw new CommandError(`the stand-in for kubectl cannot: kubectl ${request.args.join(' ')}`);
  return await action(call);
}

type Verb = (call: Call) => Reply | Promise<Reply>;

const VERBS: Readonly<Record<string, Verb>> = {
  kustomize: ({ words, request }) => said(asText(kustomize(resolve(request.directory, words[1] ?? '.')))),
  apply,
  replace: apply,
  delete: remove,
  get,
  wait,
  edit: (call) => ({ edit: asText([select(call, 1)[0]!]) }),
  annotate: (call) => setMetadata(call, 'annotations', 'annotated'),
  label: (call) => setMetadata(call, 'labels', 'labeled'),
  'create configmap': createConfigMap,
  'create namespace': (call) =>
    applyAll(call, [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: call.words[2] ?? '' } }]),
  'rollout restart': rolloutRestart,
  'rollout status': rolloutStatus,
  exec,
  logs,
  'port-forward': portForward,
  'config set-context': (call) => {
    call.cluster.namespace = call.namespace;
    return said('Context "stand-in" modified.\n');
  },
};

/** As `kubectl kustomize` prints them. */
const asText = (manifests: readonly unknown[]): string =>
  manifests.map((each) => stringify(each, { sortMapEntries: true, aliasDuplicateObjects: false })).join('---\n');

/** A kustomization that lists only resources. */
function kustomize(directory: string): Manifest[] {
  const { resources, ...rest } = parse(readFileSync(join(directory, 'kustomization.yaml'), 'utf8')) as {
    resources: string[];
  } & Record<string, unknown>;
  const others = Object.keys(rest).filter((key) => key !== 'apiVersion' && key !== 'kind');
  if (others.length > 0) throw new CommandError(`the stand-in for kustomize cannot: ${others.join(', ')}`);
  return resources.flatMap((file) => parseManifests(readFileSync(join(directory, file), 'utf8')));
}

/** Manifests that -f and -k name. */
function input({ files, flags, request }: Call): Manifest[] {
  const directory = flags.get('kustomize');
  if (directory !== undefined) return kustomize(resolve(request.directory, directory));
  if (files.length === 0) throw new CommandError('error: must specify one of -f and -k');
  const manifests = files.flatMap((file) => {
    if (file === '-') return parseManifests(request.input);
    const path = resolve(request.directory, file);
    const paths = statSync(path).isDirectory()
      ? readdirSync(path)
          .filter((name) => /\.(ya?ml|json)$/.test(name))
          .map((name) => join(path, name))
      : [path];
    return paths.flatMap((each) => parseManifests(readFileSync(each, 'utf8')));
  });
  if (manifests.length === 0) throw new CommandError('error: no objects passed to apply');
  return manifests.flatMap((manifest) =>
    manifest.kind === 'List' ? (manifest as unknown as { items: Manifest[] }).items : [manifest],
  );
}

async function apply(call: Call): Promise<Said> {
  return await applyAll(call, input(call));
}

async function applyAll({ cluster, namespace, flags }: Call, manifests: readonly Manifest[]): Promise<Said> {
  const lines = manifests.map((manifest) => {
    const given = flags.get('namespace');
    if (given !== undefined && (manifest.metadata.namespace ?? given) !== given)
      throw new CommandError(
        `error: the namespace from the provided object "${manifest.metadata.namespace}" does not match ${given}`,
      );
    const result = cluster.store.apply(manifest, namespace);
    const how = flags.has('server-side') ? 'serverside-applied' : result;
    return `${referenceOf(manifest as unknown as StoredObject)} ${how}\n`;
  });
  cluster.reconcile();
  if (manifests.some(({ kind }) => kind === 'ConfigMap'))
    void cluster.settled().then(() => cluster.syncConfigMaps('later'));
  return said(lines.join(''));
}

/**
 * Objects that the words from number `first` on select: `pods`, `deploy x`, `deploy/x pod/y`; with -l those with the
 * labels.
 */
function select({ words, flags, cluster, namespace }: Call, first: number): StoredObject[] {
  const [kinds = '', ...names] = words.slice(first).filter((word) => !/^[^/]+\/?[^/]*=|-$/.test(word));
  if (kinds.includes('/'))
    return [kinds, ...names].map((reference) => {
      const [kind = '', name = ''] = reference.split('/');
      return cluster.store.get(kindOf(kind), namespace, name);
    });
  if (kinds === '') throw new CommandError('error: You must specify the type of resource');
  if (names.length > 0) return names.map((name) => cluster.store.get(kindOf(kinds), namespace, name));
  const terms = (flags.get('selector') ?? '').split(',').filter((term) => term !== '');
  const labels = Object.fromEntries(terms.map((term) => term.split('=', 2) as [string, string]));
  const where = flags.has('all-namespaces') ? undefined : namespace;
  return kinds
    .split(',')
    .map(kindOf)
    .flatMap((kind) => cluster.store.list(kind, kind === 'ServiceCIDR' || kind === 'Namespace' ? undefined : where))
    .filter(({ metadata }) => matchesLabels(labels, metadata.labels));
}

async function get(call: Call): Promise<Said> {
  const objects = select(call, 1);
  const single = (call.words[1] ?? '').includes('/') || call.words.length > 2;
  const format = call.flags.get('output');
  if (objects.length === 0 && format === undefined)
    return { status: 0, stdout: '', stderr: `No resources found in ${call.namespace} namespace.\n` };
  return said(print(objects, format, single, call.flags.has('all-namespaces')));
}

async function remove(call: Call): Promise<Said> {
  const { cluster, files, flags } = call;
  const named = files.length > 0 || flags.has('kustomize');
  const objects = named
    ? input(call).map(({ kind, metadata }) =>
        cluster.store.get(kind, metadata.namespace ?? call.namespace, metadata.name),
      )
    : select(call, 1);
  for (const object of objects) cluster.store.delete(object);
  cluster.reconcile();
  await cluster.settled();
  if (objects.some(({ kind }) => kind === 'ConfigMap')) void cluster.syncConfigMaps('later');
  return said(objects.map((object) => `${referenceOf(object).replace('/', ' "')}" deleted\n`).join(''));
}

async function setMetadata(call: Call, field: 'annotations' | 'labels', done: string): Promise<Said> {
  const objects = select(call, 1);
  const changes = call.words.slice(1).filter((word) => /^[^/]+\/?[^/]*=|-$/.test(word));
  if (changes.length === 0) throw new CommandError(`error: at least one ${field.slice(0, -1)} update is required`);
  for (const { metadata } of objects) {
    const map = (metadata[field] ??= {});
    for (const change of changes) {
      const [, key = '', value] = /^([^=]*?)(?:-|=(.*))$/.exec(change)!;
      if (value === undefined) Reflect.deleteProperty(map, key);
      else if (map[key] !== undefined && !call.flags.has('overwrite'))
        throw new CommandError(
          `error: --overwrite is false but found the following declared ${field.slice(0, -1)}(s): '${key}'`,
        );
      else map[key] = value;
    }
  }
  // A kubelet handles a pod that has changed.
  if (objects.some(({ kind }) => kind === 'Pod')) await call.cluster.syncConfigMaps('now');
  call.cluster.reconcile();
  return said(objects.map((object) => `${referenceOf(object)} ${done}\n`).join(''));
}

async function createConfigMap(call: Call): Promise<Said> {
  const path = resolve(call.request.directory, call.flags.get('from-file') ?? '');
  const paths = statSync(path).isDirectory() ? readdirSync(path).map((name) => join(path, name)) : [path];
  const data = Object.fromEntries(paths.map((file) => [basename(file), readFileSync(file, 'utf8')]));
  const metadata = { name: call.words[2] ?? '', ...(call.flags.has('namespace') ? { namespace: call.namespace } : {}) };
  const manifest = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data };
  if (call.flags.get('dry-run') === 'client') return said(asText([manifest]));
  return await applyAll(call, [manifest]);
}

/** Milliseconds of `120s`, `3m`. */
function milliseconds(text: string): number {
  const [, number, unit] = /^(\d+)(s|m|h)$/.exec(text) ?? [];
  if (number === undefined) throw new CommandError(`error: invalid timeout ${text}`);
  return Number(number) * { s: 1000, m: 60_000, h: 3_600_000 }[unit as 's' | 'm' | 'h'];
}

async function wait(call: Call): Promise<Said> {
  const [, condition] = /^condition=(\w+)$/.exec(call.flags.get('for') ?? '') ?? [];
  if (condition !== 'Available' && condition !== 'Ready')
    throw new CommandError('the stand-in waits for Available or Ready');
  const deadline = performance.now() + milliseconds(call.flags.get('timeout') ?? '30s');
  const objects = select(call, 1);
  if (objects.length === 0) throw new CommandError('error: no matching resources found');
  const met = ({ kind, status }: StoredObject) =>
    kind === 'Pod'
      ? status?.['phase'] === 'Running'
      : (status?.['conditions'] as { type: string; status: string }[] | undefined)?.[0]?.status === 'True';
  // When nothing is in progress any more, waiting longer does not help.
  const idle = call.cluster.settled().then(() => true);
  while (!objects.every(met) && performance.now() < deadline) if (await Promise.race([idle, delay(10)])) break;
  const late = objects.find((object) => !met(object));
  if (late !== undefined)
    throw new CommandError(
      `error: timed out waiting for the condition on ${referenceOf(late)}\n${call.cluster.describe()}`,
    );
  return said(objects.map((object) => `${referenceOf(object)} condition met\n`).join(''));
}

function rolloutRestart(call: Call): Said {
  const objects = select(call, 2);
  for (const { spec } of objects) {
    const metadata = (spec!.template!.metadata ??= {});
    const before = Number(metadata.annotations?.['kubectl.kubernetes.io/restartedAt'] ?? 0);
    metadata.annotations = { ...metadata.annotations, 'kubectl.kubernetes.io/restartedAt': String(before + 1) };
  }
  call.cluster.reconcile();
  return said(objects.map((object) => `${referenceOf(object)} restarted\n`).join(''));
}

async function rolloutStatus(call: Call): Promise<Said> {
  await call.cluster.settled();
  const [object] = select(call, 2);
  if (object!.status?.['readyReplicas'] !== (object!.spec?.replicas ?? 1))
    throw new CommandError(
      `error: deployment "${object!.metadata.name}" is not rolled out\n${call.cluster.describe()}`,
    );
  return said(`deployment "${object!.metadata.name}" successfully rolled out\n`);
}

/** The first pod of `deploy/x`, `svc/x`, `pod/x` or `x`. */
async function podOf({ cluster, namespace }: Call, reference = ''): Promise<PlayedPod> {
  await cluster.settled();
  const [kind, name] = reference.includes('/') ? (reference.split('/') as [string, string]) : ['pod', reference];
  const object = cluster.store.get(kindOf(kind), namespace, name);
  const labels = (object.kind === 'Service' ? object.spec?.selector : object.spec?.selector?.matchLabels) ?? {};
  const pod = cluster
    .pods()
    .filter(({ object: { metadata } }) => metadata.namespace === namespace)
    .find(({ object: { metadata } }) =>
      object.kind === 'Pod' ? metadata.name === name : matchesLabels(labels as Record<string, string>, metadata.labels),
    );
  if (pod === undefined) throw new CommandError(`error: no pods found for ${reference}`);
  return pod;
}

/** The container that -c names, else the default one. */
function containerOf({ flags }: Call, pod: PlayedPod) {
  const spec = pod.object.spec as unknown as { containers: { name: string }[] };
  const name =
    flags.get('container') ??
    pod.object.metadata.annotations?.['kubectl.kubernetes.io/default-container'] ??
    spec.containers[0]!.name;
  const found = pod.containers.get(name);
  if (found === undefined)
    throw new CommandError(
      `Error from server (BadRequest): container ${name} is not valid for pod ${pod.object.metadata.name}`,
    );
  return found;
}

async function exec(call: Call): Promise<Reply> {
  if (call.command === null) throw new CommandError('error: you must specify the command behind --');
  return { run: containerOf(call, await podOf(call, call.words[1])).execLine(call.command) };
}

async function logs(call: Call): Promise<Reply> {
  const pod = await podOf(call, call.words[1]);
  const { log } = call.words[2] === undefined ? containerOf(call, pod) : pod.containers.get(call.words[2])!;
  const lines = call.flags.get('tail') ?? '-1';
  return {
    run: ['tail', '-n', lines === '-1' ? '+1' : lines, ...(call.flags.has('follow') ? ['-f'] : []), log],
  };
}

async function portForward(call: Call): Promise<Reply> {
  const pod = await podOf(call, call.words[1]);
  const ports = call.words.slice(2).map((text) => {
    const [local, remote = local] = text.split(':');
    return { local: Number(local), remote: Number(remote) };
  });
  if (ports.length === 0) throw new CommandError('error: TYPE/NAME and list of ports are required for port-forward');
  return { forward: { netns: pod.netns, ports } };
}
