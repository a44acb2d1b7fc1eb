/**
 * Processes of a test cluster. Each ends when the process that started it does, however that ends: the kernel kills it (prctl's parent death
 * signal). What they said is in a file, whose end an error shows.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import type { CommandResult } from '../support/cluster.ts';
import { outcomeOf } from '../support/processes.ts';

export type { CommandResult };

/** Kills COMMAND when the caller dies. */
export const WITH_CALLER = ['setpriv', '--pdeathsig', 'KILL', '--'] as const;

/** Runs a command to its end without blocking the event loop; never throws for a non-zero status. */
export async function runToEnd(
  command: readonly string[],
  options: {
    readonly input?: string;
    readonly env?: NodeJS.ProcessEnv;
    readonly cwd?: string;
    readonly timeoutMs?: number;
  } = {},
): Promise<CommandResult> {
  const [file, ...args] = [...WITH_CALLER, ...command];
  const child = spawn(file, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: options.env ?? process.env,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs, killSignal: 'SIGKILL' }),
  });
  // It may end without having read its input.
  child.stdin.on('error', () => undefined).end(options.input ?? '');
  return await outcomeOf(child);
}

/** Like `runToEnd`, but a non-zero status throws with what the command said. */
export async function mustRun(
  command: readonly string[],
  options: { readonly input?: string; readonly timeoutMs?: number } = {},
): Promise<string> {
  const result = await runToEnd(command, options);
  if (result.status !== 0)
    throw new Error(
      `${command.join(' ')}: exit ${result.status}: ${(result.stderr || result.stdout).trim().slice(-4000)}`,
    );
  return result.stdout;
}

/** The only child of a process, or undefined while it has none. */
export function childOf(pid: number): number | undefined {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
    return children[0] === '' ? undefined : Number(children[0]);
  } catch {
    return undefined;
  }
}

/** A daemon that can be stopped, killed and started again, as a machine does with its services. */
export class Daemon {
  readonly name: string;
  readonly log: string;
  readonly #command: readonly string[];
  /** The command only enters namespaces and waits there for its one child, which is the program. */
  readonly #isWrapped: boolean;
  #child: ChildProcess | undefined;

  constructor(name: string, log: string, command: readonly string[], isWrapped = false) {
    this.name = name;
    this.log = log;
    this.#command = command;
    this.#isWrapped = isWrapped;
  }

  get isRunning(): boolean {
    return this.#child?.exitCode === null && this.#child.signalCode === null;
  }

  /** Of the program as the machine counts, or undefined when it does not run. */
  get pid(): number | undefined {
    if (!this.isRunning) return undefined;
    return this.#isWrapped ? childOf(this.#child!.pid!) : this.#child!.pid;
  }

  start(): void {
    if (this.isRunning) return;
    const log = openSync(this.log, 'a');
    const [file, ...args] = [...WITH_CALLER, ...this.#command];
    this.#child = spawn(file, args, { stdio: ['ignore', log, log] });
    closeSync(log);
  }

  /** Ends it with `signal` and waits until it has ended. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (!this.isRunning || child === undefined) return;
    const ended = once(child, 'exit');
    this.kill(signal);
    await ended;
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    const pid = this.pid;
    if (pid === undefined) return;
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended by itself.
    }
  }

  /** What it said last. */
  tail(): string {
    try {
      return readFileSync(this.log, 'utf8').split('\n').slice(-25).join('\n');
    } catch {
      return '';
    }
  }
}
