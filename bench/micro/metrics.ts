/**
 * What counting a request costs, and what a scrape at the cap of series costs and does to the requests beside it.
 *
 *     node dist/bench/micro/metrics.js [--quick]
 *
 * Every series has requests in every bucket, two codes and a reason of sideroute's own, some have retries and mirrors. A
 * scrape is served by the endpoint and read over loopback by another process. The longest block is the time between two
 * turns of an event loop that turns as fast as it can; of CPU: the processor time of the thread within it. Latencies are of
 * requests through the native engine, one after the other on 8 connections, whose client and backend are processes of
 * their own: without a scrape, and while curl makes one scrape after the other. `--quick` shows that it runs, and no more.
 */
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, get, Agent } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { constants, gzipSync } from 'node:zlib';
import { Option } from 'commander';
import type { Outcome } from '../../src/engine/engine.ts';
import { startAdmin } from '../../src/admin/public-admin.ts';
import { createExposition, type Exposition } from '../../src/observe/exposition.ts';
import { LoopLag } from '../../src/observe/loop-lag.ts';
import { MAX_SERIES, Metrics } from '../../src/observe/metrics.ts';
import type { Backend } from '../../src/routing/decision.ts';
import { nativeFront } from '../../test/support/native-front.ts';
import { flagsOf } from '../flags.ts';
import { median } from '../median.ts';
import { Heartbeat, threadCpuMs } from './heartbeat.ts';

const { quick, role } = flagsOf(
  'node dist/bench/micro/metrics.js',
  'What counting a request costs, and what a scrape does to the requests beside it.',
)
  .option('--quick', 'Only show that it runs')
  // For the processes that it starts itself.
  .addOption(new Option('--role <name>').choices(['backend', 'load']).hideHelp())
  .parse()
  .opts<{ readonly quick?: boolean; readonly role?: string }>();
const ROUNDS = quick ? 100_000 : 5_000_000;
const SCRAPES = quick ? 2 : 20;
const REQUESTS = quick ? 500 : 20_000;
const CONNECTIONS = 8;
const DURATIONS_MS = [0.5, 2, 4, 8, 20, 40, 80, 200, 400, 800, 2_000, 4_000, 8_000, 20_000, 40_000];

const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });

function bytesOf(port: number, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent }, (response) => {
      let bytes = 0;
      response.on('data', (chunk: Buffer) => (bytes += chunk.length)).on('end', () => resolve(bytes));
    }).on('error', reject);
  });
}

/** The other processes: each gets `role` and a port in a message. */
const roles: Readonly<Record<string, (port: number) => Promise<unknown>>> = {
  backend: async () => {
    const server = createServer((_, response) => response.end('hello\n')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  },
  load: async (port) => {
    const latencies: number[] = [];
    const one = async (): Promise<void> => {
      while (latencies.length < REQUESTS) {
        const startedMs = performance.now();
        await bytesOf(port, '/');
        latencies.push(performance.now() - startedMs);
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, one));
    latencies.sort((a, b) => a - b);
    const at = (quantile: number): string => latencies[Math.floor(latencies.length * quantile)]!.toFixed(2);
    return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, p99.9 ${at(0.999)} ms`;
  },
};

/** Makes at most `most` scrapes, one after another on one connection. */
function scrape(port: number, most: number): ChildProcess {
  const url = `http://127.0.0.1:${port}/metrics?[1-${most}]`;
  return spawn('curl', ['-sf', '-o', '/dev/null', url], { stdio: 'inherit' });
}

async function ask<T>(child: ChildProcess, port: number): Promise<T> {
  child.send(port);
  const [answer] = (await once(child, 'message')) as [T];
  return answer;
}

function fill(metrics: Metrics): void {
  for (let i = 0; i < MAX_SERIES; i++) {
    const series = metrics.internSeries({
      parentNamespace: 'production',
      parentName: `checkout-service-${i % 50}`,
      parentPort: 8080,
      routeNamespace: 'production',
      routeName: `checkout-route-${i % 200}`,
      rule: String(i % 16),
      backendNamespace: 'production',
      backendName: `checkout-service-v${i}`,
      backendPort: 8080,
    });
    for (const durationMs of DURATIONS_MS) metrics.recordRequest({ series, status: 200, reason: null, durationMs });
    metrics.recordRequest({ series, status: 500, reason: null, durationMs: 5, retries: i % 4 === 0 ? 1 : 0 });
    metrics.recordRequest({ series, status: 503, reason: 'connect_failure', durationMs: 5 });
    if (i % 8 === 0) metrics.recordMirror({ series, result: 'answered' });
  }
}

function count(metrics: Metrics): void {
  const outcome = { series: 0, status: 200, reason: null, durationMs: 0 } satisfies Outcome;
  const before = threadCpuMs();
  for (let i = 0; i < ROUNDS; i++) {
    outcome.series = i % MAX_SERIES;
    outcome.durationMs = i & 63;
    metrics.recordRequest(outcome);
  }
  console.log(`recordRequest: ${(((threadCpuMs() - before) * 1e6) / ROUNDS).toFixed(1)} ns`);
}

async function renderAlone(exposition: Exposition): Promise<void> {
  const cpuMs: number[] = [];
  let bytes = 0;
  for (let i = 0; i < SCRAPES; i++) {
    const before = threadCpuMs();
    bytes = 0;
    for await (const piece of exposition.render()) bytes += piece.length;
    cpuMs.push(threadCpuMs() - before);
  }
  const pieces: Buffer[] = [];
  for await (const piece of exposition.render()) pieces.push(Buffer.from(piece));
  const text = Buffer.concat(pieces);
  const before = threadCpuMs();
  const compressed = gzipSync(text, { level: constants.Z_BEST_SPEED });
  const compressMs = threadCpuMs() - before;
  const [first, ...others] = cpuMs as [number, ...number[]];
  console.log(
    `text of ${MAX_SERIES} series, ${bytes} bytes: CPU ${first.toFixed(1)} ms the first time, then ${median(others).toFixed(1)} ms; ` +
      `compressing it, which sideroute does not: ${compressMs.toFixed(1)} ms, to ${compressed.length} bytes`,
  );
}

async function main(): Promise<void> {
  const metrics = new Metrics();
  fill(metrics);
  count(metrics);
  const exposition = createExposition({
    version: '0.0.0',
    metrics,
    loopLag: new LoopLag(),
    acceptor: () => null,
    engine: () => null,
    http2: () => null,
    accessLog: () => ({ lines: 0, dropped: 0 }),
    log: () => ({ lines: 0, dropped: 0 }),
    memory: () => ({ limitBytes: 0, usageBytes: 0, overloads: 0, closed: 0, level: 'calm' }),
    downstreamConnections: () => 0,
    config: () => ({ generation: 1, hash: '0', valid: true }),
    heldRoutes: () => 0,
    tornSeconds: () => 0,
    unresolvedFrontends: () => 0,
    unresolvedBackends: () => 0,
    dns: () => ({ lookups: {}, unusable: {}, documents: {}, lookupMs: 0, services: {}, oldestAnswerMs: 0 }),
    conditions: () => [],
    taps: () => ({ open: 0, records: 0, dropped: 0 }),
    spans: () => null,
  });
  await renderAlone(exposition);

  const child = (role: string): ChildProcess =>
    fork(fileURLToPath(import.meta.url), ['--role', role, ...(quick ? ['--quick'] : [])]);
  const [backendProcess, client] = [child('backend'), child('load')];
  const state = { ready: true, lines: [] };
  const probes = { live: () => state, ready: () => state, started: () => state };
  let scrapes = 0;
  const render = (): AsyncIterable<string | Uint8Array> => {
    scrapes++;
    return exposition.render();
  };
  const { contentType } = exposition;
  const endpoint = await startAdmin({
    ...{ address: '127.0.0.1', port: 0, flag: '--metrics', ...probes },
    exposition: { contentType, render },
  });
  const heartbeat = new Heartbeat();
  const before = threadCpuMs();
  await once(scrape(endpoint.port, SCRAPES), 'close');
  heartbeat.stop();
  console.log(
    `${SCRAPES} scrapes: longest block ${heartbeat.blockMs.toFixed(1)} ms, of CPU ${heartbeat.blockCpuMs.toFixed(1)} ms; ` +
      `CPU with the turning of the loop ${((threadCpuMs() - before) / SCRAPES).toFixed(1)} ms each`,
  );

  const port = await ask<number>(backendProcess, 0);
  const address = '127.0.0.1';
  const name = { namespace: 'production', name: 'backend', port, key: `production/backend:${port}`, id: 0 };
  const backend: Backend = { ...name, addresses: [address], state: 'resolved' };
  const host = {
    decide: () => ({ kind: 'forward', backend, series: 0 }) as const,
    onOutcome: (outcome: Outcome) => metrics.recordRequest(outcome),
    onRefused: () => undefined,
  };
  const front = await nativeFront()(host, { address, port });
  await ask(client, front.port);
  for (const round of [1, 2, 3]) {
    console.log(`round ${round}: requests alone: ${await ask<string>(client, front.port)}`);
    const scraper = scrape(endpoint.port, 1_000_000);
    scrapes = 0;
    const latencies = await ask<string>(client, front.port);
    console.log(`round ${round}: requests beside ${scrapes} scrapes: ${latencies}`);
    scraper.kill();
    await once(scraper, 'close');
  }
  await front.close();
  endpoint.close();
  for (const process of [backendProcess, client]) process.kill();
}

if (role === undefined) await main();
else process.on('message', (port: number) => void roles[role]!(port).then((answer) => process.send!(answer)));
