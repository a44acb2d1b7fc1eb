/** Pods that are not just made from a manifest of their own: where injection could break what people do, or be got round. */
import type { Test } from 'tap';
import { inject } from '../unit/inject/fixtures.ts';
import { podOfUsers, SPELLINGS } from '../support/user-spellings.ts';
import type { ApiCluster } from './api.ts';
import { INJECTION_LABEL, RECORD } from './injection.ts';

interface Stored {
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec: {
    readonly containers: readonly { readonly name: string }[];
    readonly initContainers?: readonly { readonly name: string }[];
    readonly ephemeralContainers?: readonly { readonly name: string }[];
  };
}

const OURS = ['sideroute-init', 'sideroute'];
const APP = { name: 'app', image: 'app:1' };

/** `namespace`: with the label, and no pods in it; it is left without. */
export async function oddPods(t: Test, cluster: ApiCluster, namespace: string): Promise<void> {
  const pod = (name: string, spec: object = {}, metadata: object = {}) => ({
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, ...metadata } },
    spec: { containers: [APP], ...spec },
  });
  const kubectl = (args: readonly string[], input?: object) =>
    cluster.kubectl(['-n', namespace, ...args], input === undefined ? undefined : JSON.stringify(input));
  const create = async (object: object, ...args: string[]): Promise<{ stored: Stored | null; stderr: string }> => {
    const { status, stdout, stderr } = await kubectl(
      ['create', '--validate=false', '-o', 'json', '-f', '-', ...args],
      object,
    );
    return { stored: status === 0 ? (JSON.parse(stdout) as Stored) : null, stderr };
  };
  const names = ({ spec }: Stored) => (spec.initContainers ?? []).map(({ name }) => name);
  const injectedPod = async (object: object, ...args: string[]): Promise<Stored> => {
    const { stored, stderr } = await create(object, ...args);
    if (stored === null) throw new Error(stderr);
    t.same(names(stored).slice(0, 2), OURS, stored.metadata.name);
    t.ok(stored.metadata.annotations?.[RECORD]);
    return stored;
  };
  const get = async (name: string): Promise<Stored> =>
    JSON.parse(await cluster.mustKubectl(['-n', namespace, 'get', 'pod', name, '-o', 'json'])) as Stored;

  await t.test('a name that the API server makes, and what a DaemonSet asks for', async (t) => {
    const { metadata, spec } = pod('');
    const generated = {
      apiVersion: 'v1',
      kind: 'Pod',
      spec,
      metadata: { ...metadata, name: undefined, generateName: 'set-' },
    };
    t.match((await injectedPod(generated)).metadata.name, /^set-/);
    const owner = { apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'set', uid: 'u', controller: true };
    const { stored, stderr } = await create({
      ...generated,
      metadata: { generateName: 'set-', ownerReferences: [owner] },
      spec: { ...spec, hostNetwork: true },
    });
    t.equal(stored, null);
    t.match(
      stderr,
      /sideroute cannot be added to this pod: spec\.hostNetwork is true: the rules would capture traffic/,
    );
    t.match(stderr, /label it sideroute\.dev\/inject=disabled/);
  });

  await t.test('native sidecars and init containers come behind', async (t) => {
    const initContainers = [
      { name: 'logs', image: 'logs:1', restartPolicy: 'Always' },
      { name: 'migrate', image: 'migrate:1' },
    ];
    t.same(names(await injectedPod(pod('native', { initContainers }))), [...OURS, 'logs', 'migrate']);
  });

  await t.test('kubectl debug: a container in the pod, and a copy of the pod', async (t) => {
    await injectedPod(pod('debugged'));
    const debug = (...args: string[]) => kubectl(['debug', 'debugged', '--image=debug', ...args]);
    for (const args of [['--target=app'], ['--profile=netadmin'], ['--profile=general']]) {
      const { status, stderr } = await debug('--container', `c${args.join('').replaceAll(/[^a-z]/g, '')}`, ...args);
      t.equal(status, 0, stderr);
    }
    t.equal((await get('debugged')).spec.ephemeralContainers?.length, 3);
    const copied = await debug('--copy-to=copy', '--container=debugger', '--keep-annotations');
    t.equal(copied.status, 0, copied.stderr);
    t.same(names(await get('copy')), OURS);
    const without = await debug('--copy-to=other', '--container=debugger');
    t.not(without.status, 0, 'nothing says that it is injected');
    t.match(
      without.stderr,
      /a copy of an injected pod has to keep its annotations \(kubectl debug --keep-annotations\)/,
    );
  });

  await t.test('what is changed afterwards: resources, labels, the manifest applied again', async (t) => {
    await injectedPod(pod('changed'));
    const resize = { spec: { containers: [{ name: 'app', resources: { requests: { cpu: '20m' } } }] } };
    for (const args of [
      ['patch', 'pod', 'changed', '--subresource=resize', '--type=strategic', '-p', JSON.stringify(resize)],
      ['label', 'pod', 'changed', 'some=label'],
    ]) {
      const { status, stderr } = await kubectl(args);
      t.equal(status, 0, stderr);
    }
    for (const [name, ...flags] of [['applied'], ['server-side', '--server-side']] as const) {
      for (const time of ['first', 'again']) {
        const { status, stderr } = await kubectl(['apply', ...flags, '-f', '-'], pod(name));
        t.equal(status, 0, `${name}, ${time}: ${stderr}`);
      }
      t.same(names(await get(name)), OURS, name);
    }
  });

  await t.test('a dry run shows the pod as it would be, and makes none', async (t) => {
    await injectedPod(pod('dry'), '--dry-run=server');
    t.not((await kubectl(['get', 'pod', 'dry'])).status, 0);
  });

  await t.test('Windows is refused with the reason', async (t) => {
    const { stored, stderr } = await create(pod('windows', { os: { name: 'windows' } }));
    t.equal(stored, null);
    t.match(stderr, /spec\.os\.name is windows: sideroute needs iptables of Linux/);
  });

  await t.test('a namespace of Pod Security restricted refuses what is added, by name', async (t) => {
    const restricted = `${namespace}-restricted`;
    await cluster.kubectl(['create', 'namespace', restricted]);
    const labels = [INJECTION_LABEL, 'pod-security.kubernetes.io/enforce=restricted'];
    await cluster.mustKubectl(['label', '--overwrite', 'namespace', restricted, ...labels]);
    const securityContext = { runAsNonRoot: true, runAsUser: 100, seccompProfile: { type: 'RuntimeDefault' } };
    const own = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };
    const strict = pod('strict', { securityContext, containers: [{ ...APP, securityContext: own }] });
    const refused = await cluster.kubectl(['-n', restricted, 'create', '-f', '-'], JSON.stringify(strict));
    t.match(refused.stderr, /violates PodSecurity.*"sideroute-init" must not include "NET_ADMIN"/);
    t.equal((await injectedPod(strict)).spec.containers.length, 1, 'elsewhere the same pod is injected');
  });

  await t.test('a very large pod is not too much', async () => {
    const containers = Array.from({ length: 100 }, (_, index) => ({
      ...{ name: `c${index}`, image: 'a:1', securityContext: { runAsUser: 1000 } },
      ports: Array.from({ length: 10 }, (_unused, port) => ({
        containerPort: 20_000 + 10 * index + port,
        name: `p${port}`,
      })),
    }));
    const annotations = Object.fromEntries(
      Array.from({ length: 200 }, (_, index) => [`example.com/${index}`, 'x'.repeat(1000)]),
    );
    await injectedPod(pod('large', { containers }, { annotations }));
  });

  await t.test('however the user of the sidecar is spelt, the answer is that of inject', async (t) => {
    const cases = SPELLINGS.flatMap(({ spell }, index) =>
      [1337, 1338].map((runAsUser) => podOfUsers(spell(1337), runAsUser, `user-${index}-${runAsUser}`)),
    );
    // kubectl reads it as YAML, and takes a U+0085 in it for the end of a line.
    const text = cases.map((object) => asciiJson(object)).join('\n---\n');
    const created = await cluster.kubectl(['-n', namespace, 'create', '-o', 'name', '-f', '-'], text);
    const made = new Set(created.stdout.split('\n').map((line) => line.replace(/^pod\//, '')));
    for (const object of cases) {
      const name = object.metadata['name'] as string;
      const isAllowed = inject(JSON.stringify(object)).text !== null;
      t.equal(made.has(name), isAllowed, JSON.stringify(object.metadata));
    }
    t.ok(made.size > 1);
  });

  await cluster.mustKubectl(['-n', namespace, 'delete', 'pods', '--all', '--grace-period=0', '--force']);
}

function asciiJson(value: object): string {
  return JSON.stringify(value).replaceAll(
    /[^ -~]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
