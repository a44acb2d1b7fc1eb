/**
 * Runs the official conformance suite of the Gateway API, its mesh profiles for HTTP and gRPC, against a test cluster: unmodified, with every feature that
 * its mesh tests ask for, in namespaces whose label has their pods injected.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { NodeCluster } from './node.ts';
import { WITH_CALLER } from './processes.ts';
import { program } from './programs.ts';
import { say } from './say.ts';

/** What the mesh tests ask for beyond the core of the profile. */
export const FEATURES = [
  'MeshClusterIPMatching',
  'MeshConsumerRoute',
  'MeshHTTPRouteRewritePath',
  'MeshHTTPRouteSchemeRedirect',
  'MeshHTTPRouteRedirectPort',
  'MeshHTTPRouteRedirectPath',
  'MeshHTTPRouteBackendRequestHeaderModification',
  'MeshHTTPRouteQueryParamMatching',
  'MeshHTTPRouteNamedRouteRule',
  // Not of meshes, but asked for by tests of meshes.
  'HTTPRouteResponseHeaderModification',
  'HTTPRouteParentRefPort',
  'HTTPRoute303RedirectStatusCode',
  'HTTPRoute307RedirectStatusCode',
  'HTTPRoute308RedirectStatusCode',
];

export interface SuiteRun {
  readonly status: number;
  readonly passed: readonly string[];
  readonly failed: readonly string[];
  readonly seconds: number;
  /** What the suite said, with the end of it at the end. */
  readonly log: string;
}

export interface SuiteOptions {
  /** Where the report goes. */
  readonly report: string;
  /** Of sideroute, as the report names it. */
  readonly version: string;
  /** How often in a row an answer must be right; the suite's own number is 3. */
  readonly consecutiveSuccesses?: number;
  /** One test instead of all. */
  readonly only?: string;
}

export async function runSuite(cluster: NodeCluster, options: SuiteOptions): Promise<SuiteRun> {
  const started = performance.now();
  const [file, ...args] = [
    ...[...WITH_CALLER, await program('suite'), '-test.v', '-test.timeout=30m', '-test.run=TestConformance'],
    ...['--conformance-profiles=MESH-HTTP,MESH-GRPC', `--supported-features=${FEATURES.join(',')}`, '--gateway-class='],
    '--namespace-labels=sideroute.dev/injection=enabled',
    ...['--organization=sideroute', '--project=sideroute', '--url=https://sideroute.dev'],
    ...['--contact=https://sideroute.dev', `--version=${options.version}`, `--report-output=${options.report}`],
    // The next run finds the pods of this one: starting them is not what is tested.
    '--cleanup-base-resources=false',
    ...(options.consecutiveSuccesses === undefined
      ? []
      : [`--timeout-config-overrides=RequiredConsecutiveSuccesses:${options.consecutiveSuccesses}`]),
    ...(options.only === undefined ? [] : [`--run-test=${options.only}`]),
  ];
  const suite = spawn(file!, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, KUBECONFIG: cluster.kubeconfig },
  });
  let log = '';
  let last = '';
  for (const stream of [suite.stdout, suite.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      log += text;
      last = /=== RUN +TestConformance\/(\S+)/.exec(text)?.[1] ?? last;
    });
  const seconds = () => Math.round((performance.now() - started) / 1000);
  const progress = setInterval(() => say(`official suite: ${seconds()} s, last begun: ${last}`), 15_000);
  const [status] = (await once(suite, 'close')) as [number | null];
  clearInterval(progress);
  writeFileSync(`${options.report}.log`, log);
  const outcomes = (word: string) => [
    ...new Set(
      [...log.matchAll(new RegExp(`^ {4}--- ${word}: TestConformance/(\\w+) `, 'gm'))].map(([, name]) => name!),
    ),
  ];
  return { status: status ?? 128, passed: outcomes('PASS'), failed: outcomes('FAIL'), seconds: seconds(), log };
}
