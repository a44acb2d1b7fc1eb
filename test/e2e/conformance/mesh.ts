/**
 * The cluster of the conformance tests: echo pods behind Services, a client pod in the namespace of the Services and, where a
 * test asks for it, one in another. Every client has its sidecar; all of them mount one ConfigMap, which each case replaces.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { attach } from '../../../src/config/attach.ts';
import type { RouteCondition } from '../../../src/config/attachment.ts';
import { parseRoutes } from '../../../src/config/route-parser.ts';
import { Cluster } from '../../support/cluster.ts';
import { ConfigMapMount } from '../../support/config-map-mount.ts';
import { Echo, ECHO_PORT, type EchoedRequest } from '../../support/echo.ts';
import { ExchangeClient, type Answer, type Batch } from '../../support/exchange.ts';
import { Sidecar, startFixture } from '../../support/sidecar.ts';
import type { ConformanceCase, Expected, Send } from './case.ts';
import { clusterOf } from '../../support/cluster-of.ts';

const FIXTURES = new URL('../../../../test/fixtures/conformance/', import.meta.url);
const SERVICES_FILE = readFileSync(new URL('services.yaml', FIXTURES), 'utf8');

/** Pod -> namespace. */
const ECHOES = { 'echo-v1': 'mesh', 'echo-v2': 'mesh', 'echo-v3': 'mesh', 'echo-other': 'other' } as const;
export type EchoName = keyof typeof ECHOES;

/** Of a Service that no route file has a document of. */
const BY_NAME = '10.96.0.18';

export type Version = 'HTTP/1.1' | 'HTTP/2.0';

/** An endpoint of a Service at which nothing listens. */
const REFUSING = 'refusing';

/** Service -> ClusterIP, ports and the pods behind it. */
const SERVICES: Readonly<
  Record<string, readonly [clusterIP: string, ports: readonly number[], pods: readonly (EchoName | typeof REFUSING)[]]>
> = {
  echo: ['10.96.0.10', [80, 8080], ['echo-v1', 'echo-v2']],
  'echo-v1': ['10.96.0.11', [80, 8080], ['echo-v1']],
  'echo-v2': ['10.96.0.12', [80, 8080], ['echo-v2']],
  'echo-v3': ['10.96.0.13', [80, 8080], ['echo-v3']],
  'echo-manual': ['10.96.0.14', [80], ['echo-v3']],
  'echo-empty': ['10.96.0.15', [80], []],
  'echo-websocket': ['10.96.0.16', [80], ['echo-v1']],
  'echo-h2c': ['10.96.0.17', [80], ['echo-v1']],
  'echo-by-name': [BY_NAME, [80], ['echo-v3']],
  'echo-half-refusing': ['10.96.0.19', [80], ['echo-v3', REFUSING]],
  'echo-other': ['10.96.0.20', [80], ['echo-other']],
};

/** Of a message from one hop, not of the request or response. */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding']);

interface Client {
  readonly sidecar: Sidecar;
  readonly exchange: ExchangeClient;
}

export class Mesh {
  readonly cluster: Cluster;
  readonly echoes: Readonly<Record<EchoName, Echo>>;
  readonly volume: ConfigMapMount;
  /** Of HTTP, as the clients speak it. */
  readonly version: Version;
  readonly #clients = new Map<string, Client>();
  #generation = 1;
  /** In force now. */
  routes = '';

  private constructor(
    cluster: Cluster,
    echoes: Readonly<Record<EchoName, Echo>>,
    volume: ConfigMapMount,
    version: Version,
  ) {
    this.cluster = cluster;
    this.echoes = echoes;
    this.volume = volume;
    this.version = version;
  }

  /** `namespaces`: of the clients, which speak `version`. Everything ends with `t`. */
  static async start(
    t: Test,
    namespaces: readonly ('mesh' | 'consumer')[] = ['mesh'],
    version: Version = 'HTTP/1.1',
    // Copies are counted: none is given up because its pod is slower than the one that answers.
    maxMirrors = 1_000,
  ): Promise<Mesh> {
    const { cluster, directory } = clusterOf(t);
    const started = Object.entries(ECHOES).map(async ([name, namespace]) => {
      return [name, await Echo.start(cluster.addPod(name), namespace)] as const;
    });
    const clientPods = namespaces.map((namespace) => ({ namespace, pod: cluster.addPod(`client-${namespace}`) }));
    const echoes = Object.fromEntries(await Promise.all(started)) as Record<EchoName, Echo>;
    for (const [clusterIP, ports, pods] of Object.values(SERVICES)) {
      const endpoints = pods.map((name) =>
        name === REFUSING
          ? { address: echoes['echo-v3'].pod.v4, port: ECHO_PORT + 1 }
          : { address: echoes[name].pod.v4, port: ECHO_PORT },
      );
      for (const port of ports) cluster.addService(clusterIP, port, endpoints);
    }
    const resolvConf = join(directory.path, 'resolv.conf');
    writeFileSync(
      resolvConf,
      `nameserver ${cluster.node.v4}\nsearch mesh.svc.cluster.local svc.cluster.local cluster.local\n`,
    );
    await startFixture(cluster.node, 'dns-server', cluster.node.v4, `echo-by-name.mesh.svc.cluster.local=${BY_NAME}`);
    const volume = new ConfigMapMount(join(directory.path, 'routes'), { 'services.yaml': SERVICES_FILE });
    const mesh = new Mesh(cluster, echoes, volume, version);
    await Promise.all(
      clientPods.map(async ({ namespace, pod }) => {
        const flags = ['--namespace', namespace, '--resolv-conf', resolvConf];
        const sidecar = await Sidecar.start(pod, volume.path, ...flags, '--max-mirrors', String(maxMirrors));
        const exchange = new ExchangeClient(pod);
        t.teardown(() => exchange.end());
        mesh.#clients.set(namespace, { sidecar, exchange });
      }),
    );
    return mesh;
  }

  /** The sidecar of the client in `namespace`. */
  sidecar(namespace = 'mesh'): Sidecar {
    return this.#clients.get(namespace)!.sidecar;
  }

  /** Where `echo:80` is, or `echo-v1@pod`, the pod itself. */
  destination(to: string): { readonly address: string; readonly port: number } {
    const [, pod] = /^(.+)@pod$/.exec(to) ?? [];
    if (pod !== undefined) return { address: this.echoes[pod as EchoName].pod.v4, port: ECHO_PORT };
    const [name, port] = to.split(':');
    return { address: SERVICES[name!]![0], port: Number(port) };
  }

  /** Replaces the routes and waits until every sidecar serves them. */
  async apply(routes: string): Promise<void> {
    if (routes === this.routes) return;
    this.routes = routes;
    this.#generation += 1;
    this.volume.write({ 'services.yaml': SERVICES_FILE, 'routes.yaml': routes });
    await Promise.all([...this.#clients.values()].map(({ sidecar }) => sidecar.applied(this.#generation)));
  }

  /** A batch of requests, from the client in `namespace`, to `to` as `destination` reads it. */
  async batch(to: string, batch: Omit<Batch, 'address' | 'port'>, namespace = 'mesh'): Promise<Answer[]> {
    const http2 = this.version === 'HTTP/2.0';
    return await this.#clients.get(namespace)!.exchange.send({ ...this.destination(to), http2, ...batch });
  }

  async exchange({ method = 'GET', target = '/', to = 'echo:80', host, headers, body, from }: Send): Promise<Answer> {
    const fields: [string, string][] = [['Host', host ?? hostOf(to)], ...Object.entries(headers ?? {})];
    const request = { method, target, headers: fields, ...(body === undefined ? {} : { body }) };
    const [answer] = await this.batch(to, { requests: [request] }, from);
    return answer!;
  }

  /** Of the routes in force, as `sideroute check` shows them to a client of namespace `mesh`. */
  conditions(): readonly RouteCondition[] {
    const resources = [
      ...parseRoutes('services.yaml', SERVICES_FILE, null).resources,
      ...parseRoutes('routes.yaml', this.routes, null).resources,
    ];
    return attach({ resources, namespace: 'mesh' }).conditions;
  }

  /** Applies the routes of a case, looks at their conditions, and sends its requests. */
  async run(t: Test, entry: ConformanceCase): Promise<void> {
    const routes = entry.routes === null ? '' : readFileSync(new URL(`${entry.routes}.yaml`, FIXTURES), 'utf8');
    await this.apply(routes);
    const conditions = this.conditions().map(
      ({ namespace, name, parent, type, status, reason }) =>
        `${namespace}/${name} ${parent} ${type}=${status} ${reason}`,
    );
    if (entry.conditions === undefined) {
      const good = /^\S+ \S+ (Accepted=True Accepted|ResolvedRefs=True ResolvedRefs)$/;
      t.same(
        conditions.filter((condition) => !good.test(condition)),
        [],
        'every route is accepted and resolved',
      );
    } else {
      t.same(conditions, entry.conditions, 'the conditions of the routes');
    }
    for (const { send, expect } of entry.requests)
      check(t, send, { proto: this.version, ...expect }, await this.exchange(send));
    await entry.also?.(t, this);
  }
}

/** Each case with its title as a test; `t` ends when they have. */
export async function runCases(t: Test, mesh: Mesh, cases: readonly ConformanceCase[]): Promise<void> {
  for (const entry of cases) {
    const names = entry.tests.length === 0 ? '' : ` (${entry.tests.join(', ')})`;
    await t.test(`${entry.title}${names}`, (t) => mesh.run(t, entry));
  }
}

/** Without what some servers of HTTP/2 take for a user's name. */
function hostOf(to: string): string {
  return to.replace(/:80$|@pod$/, '');
}

function check(t: Test, send: Send, expect: Expected, answer: Answer): void {
  const { method = 'GET', target = '/', to = 'echo:80' } = send;
  const headers = Object.entries(send.headers ?? {}).map(([name, value]) => ` ${name}: ${value};`);
  const title = `${send.from ?? 'mesh'} ${method} ${to}${target}${headers.join('')}`;
  const field = (name: string) => {
    const values = answer.headers.filter(([field]) => field === name).map(([, value]) => value);
    return values.length === 0 ? null : values.join(', ');
  };
  t.equal(answer.status, expect.status ?? 200, `${title} status (${answer.body.slice(0, 200)})`);
  t.equal(field('x-sideroute-reason'), expect.reason ?? null, `${title} reason`);
  for (const [name, value] of Object.entries({ location: null, ...expect.headers })) {
    t.equal(field(name), value, `${title} response field ${name}`);
  }
  if (expect.pod === undefined || method === 'HEAD' || !answer.body.startsWith('{')) {
    if (expect.pod !== undefined && method !== 'HEAD') t.fail(`${title} is answered by a pod: ${answer.body}`);
    return;
  }
  const { pod, path, host, method: seenMethod, headers: seen, proto, body } = JSON.parse(answer.body) as EchoedRequest;
  t.ok([expect.pod].flat().includes(pod), `${title} reaches ${[expect.pod].flat().join(' or ')}, not ${pod}`);
  t.same(
    { path, host, method: seenMethod, proto, body, headers: seen },
    {
      path: expect.path ?? target,
      host: expect.host ?? send.host ?? hostOf(to),
      method,
      proto: expect.proto,
      body: send.body ?? '',
      headers: expectedFields(send, expect),
    },
    `${title} as the pod sees it`,
  );
}

/** What the client sent, and the changes that are expected; nothing else. */
function expectedFields(send: Send, expect: Expected): Record<string, readonly string[]> {
  const fields: Record<string, readonly string[]> = {};
  for (const [name, value] of Object.entries(send.headers ?? {})) fields[name.toLowerCase()] = [value];
  if (send.body !== undefined) fields['content-length'] = [String(Buffer.byteLength(send.body))];
  const changed = Object.entries(expect.seen ?? {});
  const removed = new Set(changed.filter(([, values]) => values === null).map(([name]) => name));
  for (const [name, values] of changed) if (values !== null) fields[name] = values;
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !removed.has(name) && !HOP_BY_HOP.has(name)));
}
