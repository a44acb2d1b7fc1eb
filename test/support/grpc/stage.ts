/**
 * The stage of gRPC's interoperability tests: a pod with sideroute, and a server of each language that is reached in
 * three ways: by a Service with a GRPCRoute, by one with an HTTPRoute (both without endpoints of their own), and by its
 * own Service, without routes.
 */
// Needs: grpc-interop-client, grpc-interop-server, python-grpc, pip3.
import { join } from 'node:path';
import type { Test } from 'tap';
import { stringify } from 'yaml';

import { clusterOf } from '../cluster-of.ts';
import type { Cluster, Pod } from '../cluster.ts';
import { ConfigMapMount } from '../config-map-mount.ts';
import { eventually } from '../eventually.ts';
import { program } from '../manifests.ts';
import { waitForLine } from '../processes.ts';
import { fixture, Sidecar, startFixture } from '../sidecar.ts';
import { LANGUAGES, type Language } from './cases.ts';
import { GRPC_FILES } from './service.ts';

export const WAYS = ['GRPCRoute', 'HTTPRoute', 'unrouted'] as const;
export type Way = (typeof WAYS)[number];

const PYTHON_PACKAGES = program('python-grpc');
/** Programs by language; null if one is missing and cannot be built. */
const GO = { client: program('grpc-interop-client'), server: program('grpc-interop-server') };
/** For the option `skip` of a test. */
export const MISSING: Readonly<Record<Language, string | false>> = {
  go: (GO.client === null || GO.server === null) && "grpc-go's programs are not there, nor Go to build them",
  node: false,
  python: PYTHON_PACKAGES === null && 'the packages of Python are not there, nor pip to install them',
};

export function python(file: string, ...args: string[]): string[] {
  return [
    'env',
    `PYTHONPATH=${PYTHON_PACKAGES!}`,
    'PYTHONDONTWRITEBYTECODE=1',
    'python3',
    join(GRPC_FILES, file),
    ...args,
  ];
}

const CALLED = [
  'grpc.testing.TestService',
  'grpc.health.v1.Health',
  'grpc.reflection.v1alpha.ServerReflection',
  'xds.service.orca.v3.OpenRcaService',
];
const PORT = 50_051;
const PARENTS = { GRPCRoute: { name: 'calls', ip: '10.96.0.10' }, HTTPRoute: { name: 'requests', ip: '10.96.0.11' } };
const SERVERS: Readonly<Record<Language, string>> = { go: '10.96.0.20', node: '10.96.0.21', python: '10.96.0.22' };

/** The `host:port` of a language's server on a way; on a parent each server has its own port. */
export function addressOf(way: Way, server: Language): string {
  if (way === 'unrouted') return `${SERVERS[server]}:${PORT}`;
  return `${PARENTS[way].ip}:${PORT + LANGUAGES.indexOf(server)}`;
}

/** A Service in namespace `shop`. */
export function service(name: string, clusterIP: string, ports: readonly object[]): string {
  const metadata = { name, namespace: 'shop' };
  return stringify({ apiVersion: 'v1', kind: 'Service', metadata, spec: { clusterIP, ports } });
}

/** A route in namespace `shop`. */
export function route(kind: string, name: string, parent: string, port: number, rules: readonly object[]): string {
  const spec = { parentRefs: [{ group: '', kind: 'Service', name: parent, port }], rules };
  const metadata = { name, namespace: 'shop' };
  return stringify({ apiVersion: 'gateway.networking.k8s.io/v1', kind, metadata, spec });
}

function documents(): string {
  const numbered = LANGUAGES.map((name, index) => ({ name, port: PORT + index }));
  const parents = Object.values(PARENTS).map(({ name, ip }) => service(name, ip, numbered));
  const servers = LANGUAGES.map((name) => service(name, SERVERS[name], [{ port: PORT }]));
  const routes = numbered.flatMap(({ name, port }) => {
    const backendRefs = [{ name, port: PORT }];
    const calls = CALLED.map((service) => ({
      matches: [{ method: { service } }],
      backendRefs,
    }));
    return [
      route('GRPCRoute', `calls-${name}`, 'calls', port, calls),
      route('HTTPRoute', `requests-${name}`, 'requests', port, [{ backendRefs }]),
    ];
  });
  return [...parents, ...servers, ...routes].join('---\n');
}

async function startServer(cluster: Cluster, language: Language): Promise<void> {
  const pod = cluster.addPod(`${language}-server`);
  cluster.addService(SERVERS[language], PORT, [{ address: pod.v4, port: PORT }]);
  if (language === 'go') {
    pod.spawn([GO.server!, '-port', String(PORT)], { stdio: 'ignore' });
    const listens = ['ss', '-Hltn', `sport = :${PORT}`];
    await eventually("grpc-go's server listens", () => pod.run(listens).stdout !== '', 60_000);
  } else if (language === 'node') {
    await startFixture(pod, 'grpc-interop-server', String(PORT), 'node');
  } else {
    await waitForLine(pod.spawn(python('interop_server.py', String(PORT), 'python')), /^listening/);
  }
}

export interface GrpcStage {
  readonly client: Pod;
  readonly sidecar: Sidecar;
}

/** Starts it with the servers that are available. */
export async function startGrpcStage(t: Test): Promise<GrpcStage> {
  const { cluster, directory } = clusterOf(t);
  const client = cluster.addPod('client');
  for (const { ip } of Object.values(PARENTS))
    for (const [index] of LANGUAGES.entries()) cluster.addService(ip, PORT + index, []);
  for (const language of LANGUAGES) if (MISSING[language] === false) await startServer(cluster, language);
  const volume = new ConfigMapMount(join(directory.path, 'routes'), { 'routes.yaml': documents() });
  const sidecar = await Sidecar.start(client, volume.path, '--namespace', 'shop');
  return { client, sidecar };
}

/** Resolves with the output of a program and its exit status, without blocking. */
export async function output(pod: Pod, command: readonly string[]): Promise<{ status: number | null; text: string }> {
  const child = pod.spawn(command);
  let text = '';
  for (const stream of [child.stdout!, child.stderr!])
    stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const status = await new Promise<number | null>((resolve, reject) => child.on('close', resolve).on('error', reject));
  return { status, text };
}

/** In soak cases a call may take as long as a busy machine needs. */
const PATIENCE = ['-soak_per_iteration_max_acceptable_latency_ms=30000', '-soak_overall_timeout_seconds=60'];
/** The same as in grpc-go's own script. */
const REPORTED_LOAD = '--service_config_json={"loadBalancingConfig": [{"test_backend_metrics_load_balancer": {}}]}';

/** Runs cases with a client of a language; returns a line for each: `CASE: ok`, or the error. */
export async function runCases(
  pod: Pod,
  client: Language,
  address: string,
  cases: readonly string[],
): Promise<string[]> {
  if (client !== 'go') {
    const command =
      client === 'node'
        ? fixture('grpc-interop-client', address, ...cases)
        : python('interop_client.py', address, ...cases);
    const { text } = await output(pod, ['timeout', '100', ...command]);
    return text.trim().split('\n');
  }
  const [host, port] = address.split(':') as [string, string];
  const lines: string[] = [];
  // A process for each case.
  for (const name of cases) {
    const flags = name.startsWith('orca') ? [REPORTED_LOAD] : PATIENCE;
    const command = [GO.client!, `-server_host=${host}`, `-server_port=${port}`, `-test_case=${name}`, ...flags];
    const { status, text } = await output(pod, ['timeout', '100', ...command]);
    lines.push(status === 0 ? `${name}: ok` : `${name}: exit ${status}: ${text}`);
  }
  return lines;
}
