/**
 * A mirror that accepts connections and never reads or answers: clients notice nothing. SIDEROUTE_FULL=1 sends 100,000 requests
 * and, on a quiet machine, compares latencies.
 */
import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { startFixture } from '../support/sidecar.ts';
import { Mesh } from './conformance/mesh.ts';

const FULL = process.env['SIDEROUTE_FULL'] === '1';
const REQUESTS = FULL ? 100_000 : 5_000;
const CONNECTIONS = 16;
const BATCH = 1_000;
/** Of the sidecar, between the first fifth of the requests and the last. */
const GROWTH_LIMIT_KIB = 32 * 1024;
/** How much later the 99th percentile may be; two runs without a mirror have to agree better than that. */
const P99_TOLERANCE = 1.1;
/** Copies that may be under way at the same time. */
const MOST_WAITING = 64;
const SILENT_IP = '10.96.0.30';
const SILENT_PORT = 3000;

const ROUTES = `apiVersion: v1
kind: Service
metadata: { name: silent, namespace: mesh }
spec: { clusterIP: ${SILENT_IP}, ports: [{ port: 80 }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: mirrored, namespace: mesh }
spec:
  parentRefs: [{ group: "", kind: Service, name: echo, port: 80 }]
  rules:
    - matches: [{ path: { value: /mirrored } }]
      filters: [{ type: RequestMirror, requestMirror: { backendRef: { name: silent, port: 80 } } }]
      backendRefs: [{ name: echo-v1, port: 80 }]
    - backendRefs: [{ name: echo-v1, port: 80 }]
`;

interface Run {
  readonly failures: number;
  readonly p99Ms: number;
  readonly growthKib: number;
}

function residentKib(mesh: Mesh): number {
  const status = readFileSync(`/proc/${mesh.sidecar().process.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]);
}

async function load(mesh: Mesh, target: string, requests: number): Promise<Run> {
  const durations: number[] = [];
  let failures = 0;
  let settledKib = 0;
  for (let sent = 0; sent < requests; sent += BATCH) {
    if (sent >= requests / 5 && settledKib === 0) settledKib = residentKib(mesh);
    const request = { method: 'POST', target, headers: [['Host', 'echo']], body: 'a body to mirror' } as const;
    const answers = await mesh.batch('echo:80', {
      ...{ requests: [request], times: BATCH, connections: CONNECTIONS, brief: true },
    });
    for (const { status, body, durationMs } of answers) {
      if (status !== 200 || body !== 'echo-v1') failures += 1;
      durations.push(durationMs);
    }
  }
  durations.sort((a, b) => a - b);
  const p99Ms = durations[Math.floor(durations.length * 0.99)]!;
  return { failures, p99Ms, growthKib: residentKib(mesh) - settledKib };
}

/** Of all copies, by result; those that never happened are left out. */
function mirrorResults(mesh: Mesh): Record<string, number> {
  const lines = mesh
    .sidecar()
    .get('/metrics')
    .matchAll(/^sideroute_mirrored_requests_total\{.*result="(\w+)".*\} (\d+)$/gm);
  const results: Record<string, number> = {};
  for (const [, result, count] of lines) {
    if (Number(count) > 0) results[result!] = (results[result!] ?? 0) + Number(count);
  }
  return results;
}

function compareLatency(t: Test, before: Run, mirrored: Run, after: Run): void {
  const plain = [before.p99Ms, after.p99Ms].sort((a, b) => a - b) as [number, number];
  const figures = [...plain, mirrored.p99Ms].map((ms) => ms.toFixed(2));
  t.comment(`99th percentile without a mirror ${figures[0]} and ${figures[1]} ms, with it ${figures[2]} ms`);
  const quiet = plain[1] <= plain[0] * P99_TOLERANCE;
  if (!FULL || !quiet) return;
  t.ok(mirrored.p99Ms <= plain[1] * P99_TOLERANCE, 'the mirror does not delay requests');
}

t.setTimeout(FULL ? 1_800_000 : 180_000);
t.test(
  `SPEC F10: ${REQUESTS} requests beside a mirror that never answers all succeed, in constant memory`,
  async (t) => {
    const mesh = await Mesh.start(t, ['mesh'], 'HTTP/1.1', MOST_WAITING);
    const pod = mesh.cluster.addPod('silent');
    mesh.cluster.addService(SILENT_IP, 80, [{ address: pod.v4, port: SILENT_PORT }]);
    await startFixture(pod, 'silent-server', String(SILENT_PORT));
    await mesh.apply(ROUTES);
    const before = await load(mesh, '/plain', REQUESTS);
    const mirrored = await load(mesh, '/mirrored', REQUESTS);
    const after = await load(mesh, '/plain', REQUESTS);
    t.same([before.failures, mirrored.failures, after.failures], [0, 0, 0], 'no request failed');
    t.comment(`memory of the sidecar grew by ${mirrored.growthKib} KiB`);
    t.ok(mirrored.growthKib < GROWTH_LIMIT_KIB, `memory grew by ${mirrored.growthKib} KiB`);
    // The others wait for their time to be over.
    const results = mirrorResults(mesh);
    const sum = Object.values(results).reduce((total, count) => total + count, 0);
    t.ok(sum >= REQUESTS - MOST_WAITING && sum <= REQUESTS, `${sum} copies have a result`);
    t.same(
      Object.keys(results).filter((result) => result !== 'overflow' && result !== 'timeout'),
      [],
      `what became of the copies: ${JSON.stringify(results)}`,
    );
    compareLatency(t, before, mirrored, after);
  },
);
