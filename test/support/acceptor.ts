/** The test's side of `fixtures/acceptor-process.ts`: starts it as the proxy's uid and calls it over IPC. */
import { readingCapabilities } from './cluster.ts';
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import type { AcceptorCounters, FrontendAddress, ListenAddress } from '../../src/addon/binding.ts';
import type { AcceptorEvents, Call, ProcessState, StartOptions } from './fixtures/acceptor-process.ts';
import { CAPTURE_PORT, PROXY_UID } from './pod-test.ts';

interface Reply {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: { message: string; code?: string; syscall?: string };
}

export const LISTEN: readonly ListenAddress[] = [
  { address: '127.0.0.1', port: CAPTURE_PORT },
  { address: '::1', port: CAPTURE_PORT },
];

/** SIDEROUTE_TEST_WRAPPER, split at spaces: a tool such as valgrind that runs every process that loads the addon. */
export function wrapperCommand(): string[] {
  return (process.env['SIDEROUTE_TEST_WRAPPER'] ?? '').split(' ').filter((word) => word !== '');
}

export class AcceptorProcess {
  readonly child: ChildProcess;
  /** What it wrote to standard error, which is passed on. */
  errorOutput = '';
  #calls = 0;
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();

  private constructor(child: ChildProcess) {
    this.child = child;
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.errorOutput += text;
      process.stderr.write(text);
    });
    child.on('message', (reply: Reply) => {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if (reply.error) waiting?.reject(Object.assign(new Error(reply.error.message), reply.error));
      else waiting?.resolve(reply.result);
    });
    child.on('exit', (code, signal) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`acceptor ended: ${code} ${signal}`));
      this.#waiting.clear();
    });
  }

  /** `wrapper`: a command that runs the process, such as prlimit or valgrind. */
  static async spawn(t: Test, wrapper: readonly string[] = []): Promise<AcceptorProcess> {
    const script = fileURLToPath(new URL('./fixtures/acceptor-process.js', import.meta.url));
    const uid = String(PROXY_UID);
    const child = spawn(
      'setpriv',
      [
        ...['--reuid', uid, '--regid', uid, '--clear-groups', ...readingCapabilities()],
        // The runner loads itself into every child; here it would be measured, and it writes where this uid must not.
        ...['env', '-u', 'NODE_OPTIONS'],
        ...wrapper,
        ...wrapperCommand(),
        ...[process.execPath, '--expose-gc', script],
      ],
      { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] },
    );
    const acceptor = new AcceptorProcess(child);
    t.teardown(() => acceptor.kill());
    await new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve());
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`acceptor process ended with ${code}`)));
    });
    return acceptor;
  }

  /** Spawned, listening on the capture port, routing `frontends`. */
  static async start(
    t: Test,
    options: Partial<StartOptions> & { frontends?: readonly FrontendAddress[]; wrapper?: readonly string[] } = {},
  ): Promise<AcceptorProcess> {
    const { frontends = [], wrapper = [], ...rest } = options;
    const acceptor = await AcceptorProcess.spawn(t, wrapper);
    await acceptor.listen(rest);
    await acceptor.call('setFrontends', frontends);
    return acceptor;
  }

  listen(options: Partial<StartOptions>): Promise<readonly ListenAddress[]> {
    const all: StartOptions = {
      listen: LISTEN,
      detectTimeoutMs: 10_000,
      connectTimeoutMs: 3_000,
      maxConnections: 10_000,
      maxHeadBytes: 64 * 1024,
      maxHeaderFields: 200,
      http: 'reply',
      catchErrors: true,
      ...options,
    };
    return this.call('start', all) as Promise<readonly ListenAddress[]>;
  }

  call(method: string, argument: unknown = null): Promise<unknown> {
    const id = ++this.#calls;
    const call: Call = { id, method, argument };
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.child.send(call);
    });
  }

  counters(): Promise<AcceptorCounters> {
    return this.call('counters') as Promise<AcceptorCounters>;
  }

  events(): Promise<AcceptorEvents> {
    return this.call('events') as Promise<AcceptorEvents>;
  }

  state(): Promise<ProcessState> {
    return this.call('state') as Promise<ProcessState>;
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    // After disconnecting, the process ends by itself with all its cleanup, and a wrapper tool reports.
    this.child.disconnect();
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(timer);
  }
}
