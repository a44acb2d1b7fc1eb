/**
 * Credentials issued by a program: `exec` in a kubeconfig, with the protocol client.authentication.k8s.io, v1 and
 * v1beta1.
 *
 * Stage before: `kubeconfig.ts`. Stage after: `client.ts`, which reports refused credentials. Credentials are cached
 * until they expire. Requests that arrive while the program runs wait for this run.
 */
import { spawn } from 'node:child_process';
import { resolve, sep } from 'node:path';
import { isatty } from 'node:tty';
import { ProxyError } from '../errors.ts';
import type { Issued, Issuer } from './access.ts';
import { isObject, listOf, objectOf, textOf, type Json } from './json.ts';

/** Information about the cluster, which the program can request. */
export interface PluginCluster {
  readonly server: string;
  readonly ca: string | null;
  readonly servername: string | null;
  readonly verify: boolean;
  readonly config: unknown;
}

const VERSIONS = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1'];
/** A program that asks a cloud service answers within seconds. */
const RUN_TIMEOUT_MS = 60_000;
/** Allows for a person to log in, for instance in a browser. */
const INTERACTIVE_TIMEOUT_MS = 300_000;
const MAX_OUTPUT_BYTES = 1024 * 1024;

export class ExecPlugin implements Issuer {
  readonly #exec: Json;
  readonly #directory: string;
  readonly #cluster: PluginCluster;
  /** File, context and field, for error messages. */
  readonly #where: string;
  readonly #timeoutMs: number;
  #running: Promise<Issued> | null = null;
  #issued: Issued | null = null;
  #expiresAtMs = Infinity;

  /** @throws ProxyError `bad-kubeconfig` */
  constructor(exec: Json, directory: string, cluster: PluginCluster, where: string, timeoutMs = RUN_TIMEOUT_MS) {
    this.#exec = exec;
    this.#directory = directory;
    this.#cluster = cluster;
    this.#where = where;
    this.#timeoutMs = timeoutMs;
    const version = textOf(exec, 'apiVersion') ?? '';
    if (!VERSIONS.includes(version)) {
      throw this.#bad(
        `apiVersion: got "${version}", expected ${VERSIONS.join(' or ')}; update what wrote the kubeconfig`,
      );
    }
    if ((textOf(exec, 'command') ?? '') === '')
      throw this.#bad('command: is missing; it is the program that issues credentials');
    if (this.#mode === 'Always' && !isatty(0)) {
      throw this.#bad('interactiveMode: is Always, and standard input is no terminal; run this in one');
    }
  }

  issue(): Promise<Issued> {
    if (this.#issued !== null && Date.now() < this.#expiresAtMs) return Promise.resolve(this.#issued);
    this.#running ??= this.#run().finally(() => (this.#running = null));
    return this.#running;
  }

  refused(issued: Issued): void {
    if (this.#issued === issued) this.#issued = null;
  }

  get #mode(): string {
    return textOf(this.#exec, 'interactiveMode') ?? 'IfAvailable';
  }

  get #command(): string {
    const command = textOf(this.#exec, 'command') ?? '';
    // A plain name is searched in PATH; a path is relative to the file.
    return command.includes(sep) ? resolve(this.#directory, command) : command;
  }

  async #run(): Promise<Issued> {
    const output = await this.#output();
    let value: unknown = null;
    try {
      value = JSON.parse(output);
    } catch {
      // Reported below. The output is not shown, because it may contain a token.
    }
    const wanted = textOf(this.#exec, 'apiVersion')!;
    if (!isObject(value) || textOf(value, 'kind') !== 'ExecCredential' || textOf(value, 'apiVersion') !== wanted) {
      throw this.#bad(
        `${this.#command} did not print an ExecCredential of ${wanted}; run it by hand to see what it says`,
      );
    }
    const status = objectOf(value, 'status');
    const text = (field: string): string | null => (textOf(status, field) ?? '').trim() || null;
    const issued = { token: text('token'), cert: text('clientCertificateData'), key: text('clientKeyData') };
    if (issued.token === null && (issued.cert === null || issued.key === null)) {
      throw this.#bad(`${this.#command} issued neither a token nor a certificate with its key; log in anew`);
    }
    const expires = Date.parse(text('expirationTimestamp') ?? '');
    this.#expiresAtMs = Number.isNaN(expires) ? Infinity : expires;
    this.#issued = issued;
    return issued;
  }

  /** Standard error is inherited, so that a person sees where to log in. */
  async #output(): Promise<string> {
    const interactive = this.#mode !== 'Never' && isatty(0);
    const args = this.#exec['args'];
    const start = () =>
      spawn(this.#command, Array.isArray(args) ? args.map(String) : [], {
        stdio: [interactive ? 'inherit' : 'ignore', 'pipe', 'inherit'],
        env: { ...process.env, ...this.#environment(interactive) },
      });
    let child: ReturnType<typeof start>;
    try {
      child = start();
    } catch (error) {
      // Arguments that no program can be given, such as one with a NUL byte.
      throw this.#bad(`cannot be run: ${(error as Error).message}`);
    }
    return await new Promise((resolveOutput, reject) => {
      const timeoutMs = interactive ? INTERACTIVE_TIMEOUT_MS : this.#timeoutMs;
      const chunks: Buffer[] = [];
      let size = 0;
      const fail = (what: string): void => {
        clearTimeout(timer);
        child.kill('SIGKILL');
        // A child of the program may hold the other end of the pipe.
        child.stdout.destroy();
        reject(this.#bad(what));
      };
      const timer = setTimeout(
        () =>
          fail(
            `${this.#command} did not answer within ${timeoutMs / 1_000} s; run it by hand to see what it waits for`,
          ),
        timeoutMs,
      );
      child.once('error', (error: NodeJS.ErrnoException) => {
        const hint = textOf(this.#exec, 'installHint');
        fail(
          error.code === 'ENOENT'
            ? `there is no program ${this.#command}; ${hint === null ? 'install it or mend its path' : hint.trim()}`
            : `${this.#command} cannot be run: ${error.message}`,
        );
      });
      child.stdout.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size > MAX_OUTPUT_BYTES) fail(`${this.#command} printed more than ${MAX_OUTPUT_BYTES} bytes`);
      });
      child.once('close', (status, signal) => {
        if (status !== 0) {
          fail(`${this.#command} failed (${signal ?? `exit status ${status}`}); log in anew, or run it by hand`);
          return;
        }
        clearTimeout(timer);
        resolveOutput(Buffer.concat(chunks).toString('utf8'));
      });
    });
  }

  #environment(interactive: boolean): Record<string, string> {
    const { server, ca, servername, verify, config } = this.#cluster;
    const cluster = {
      server,
      ...(servername === null ? {} : { 'tls-server-name': servername }),
      ...(verify ? {} : { 'insecure-skip-tls-verify': true }),
      ...(ca === null ? {} : { 'certificate-authority-data': Buffer.from(ca).toString('base64') }),
      ...(config === undefined ? {} : { config }),
    };
    const told = this.#exec['provideClusterInfo'] === true ? { cluster } : {};
    const own = listOf(this.#exec, 'env').map((entry) => [textOf(entry, 'name') ?? '', textOf(entry, 'value') ?? '']);
    return {
      ...(Object.fromEntries(own.filter(([name]) => name !== '')) as Record<string, string>),
      KUBERNETES_EXEC_INFO: JSON.stringify({
        apiVersion: textOf(this.#exec, 'apiVersion'),
        kind: 'ExecCredential',
        spec: { interactive, ...told },
      }),
    };
  }

  #bad(what: string): ProxyError {
    return new ProxyError('bad-kubeconfig', `${this.#where}: ${what}`);
  }
}
