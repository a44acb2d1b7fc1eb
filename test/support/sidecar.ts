/** A pod with sideroute: the init container's rules and a running sidecar, as in production. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Pod } from './cluster.ts';
import { eventually } from './eventually.ts';
import { stopProcess, waitForLine } from './processes.ts';

export const PROXY_UID = 1337;
const dist = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
/** Command line of the program as it is shipped. */
export const SIDEROUTE = [process.execPath, '--enable-source-maps', join(dist, 'bin', 'sideroute.js')] as const;

/**
 * Lets any test of a sidecar run with several workers: `SIDEROUTE_TEST_WORKERS=2`. Tests of the other engine stay
 * unchanged.
 */
function workers(flags: readonly string[]): string[] {
  const wanted = process.env['SIDEROUTE_TEST_WORKERS'];
  return wanted === undefined || flags.includes('uws') || flags.includes('--workers') ? [] : ['--workers', wanted];
}

/** Command line of a compiled fixture program. */
export function fixture(name: string, ...args: string[]): string[] {
  return [process.execPath, join(dist, 'test', 'support', 'fixtures', `${name}.js`), ...args];
}

/** A directory that other uids can read, removed by the returned function. */
export function temporaryDirectory(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'sideroute-test-'));
  chmodSync(path, 0o755);
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Starts a fixture server in a pod and waits until it listens. */
export async function startFixture(pod: Pod, name: string, ...args: string[]): Promise<ChildProcess> {
  const child = pod.spawn(fixture(name, ...args));
  await waitForLine(child, /^listening/);
  return child;
}

export class Sidecar {
  readonly pod: Pod;
  readonly process: ChildProcess;
  /** Every line the sidecar logged. */
  readonly log: string[];

  private constructor(pod: Pod, process: ChildProcess, log: string[]) {
    this.pod = pod;
    this.process = process;
    this.log = log;
  }

  /** Installs the rules for 10.96.0.0/16 and fd00:96::/112 and starts the proxy; resolves when it says `ready`. */
  static async start(pod: Pod, routes: string, ...flags: string[]): Promise<Sidecar> {
    pod.must([...SIDEROUTE, 'iptables', 'apply', '--service-cidrs', '10.96.0.0/16,fd00:96::/112']);
    return await Sidecar.startProxy(pod, routes, ...flags);
  }

  /** Only the proxy, for a pod that has its rules already. SIGTERM ends it at once, unless a flag says otherwise. */
  static async startProxy(pod: Pod, routes: string, ...flags: string[]): Promise<Sidecar> {
    return await Sidecar.startProxyAs(PROXY_UID, pod, routes, ...flags);
  }

  /** The same as another user than the one that the rules exempt. */
  static async startProxyAs(asUid: number, pod: Pod, routes: string, ...flags: string[]): Promise<Sidecar> {
    const child = pod.spawn(
      [...SIDEROUTE, 'proxy', '--routes', routes, '--drain-timeout', '0s', ...workers(flags), ...flags],
      { asUid },
    );
    const log: string[] = [];
    child.stderr
      ?.setEncoding('utf8')
      .on('data', (chunk: string) => log.push(...chunk.split('\n').filter((line) => line !== '')));
    await waitForLine(child, /"message":"ready"/);
    return new Sidecar(pod, child, log);
  }

  /** Body of an endpoint of the read-only port. */
  get(path: string): string {
    return this.pod.must(['curl', '-sS', '--max-time', '5', `http://127.0.0.1:15020${path}`]);
  }

  /** The same without holding up this process. */
  ask(path: string): Promise<string> {
    const child = this.pod.spawn(['curl', '-sS', '--max-time', '30', `http://127.0.0.1:15020${path}`]);
    return new Promise((resolve, reject) => {
      let [text, complaint] = ['', ''];
      child.stdout!.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      child.stderr!.setEncoding('utf8').on('data', (chunk: string) => (complaint += chunk));
      child.on('close', (code) => (code === 0 ? resolve(text) : reject(new Error(`${path}: ${complaint}`))));
    });
  }

  /** Value of one metric line, matched from its start; 0 when it is not there. */
  metric(line: RegExp): number {
    const found = this.get('/metrics')
      .split('\n')
      .find((text) => line.test(text));
    return found === undefined ? 0 : Number(found.slice(found.lastIndexOf(' ') + 1));
  }

  /** Resolves once the proxy serves configuration generation `generation` or a later one. */
  async applied(generation: number): Promise<void> {
    await eventually(
      `configuration generation ${generation}`,
      () => this.metric(/^sideroute_config_generation /) >= generation,
    );
  }

  /** Resolves with how it ended, without a signal of ours. */
  async ended(): Promise<number | string | null> {
    if (this.process.exitCode === null && this.process.signalCode === null) await once(this.process, 'exit');
    return this.process.exitCode ?? this.process.signalCode;
  }

  /** SIGTERM, then `ended`. */
  async stop(): Promise<number | string | null> {
    return await stopProcess(this.process);
  }
}
