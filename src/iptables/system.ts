/**
 * What the rules need from the machine: run a program, read a file, hold a lock. The other files here make the
 * decisions.
 */
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProxyError } from '../errors.ts';

export interface CommandOutcome {
  /** Exit status; 127: the program is missing, 124: killed at the deadline, 128: killed by another signal. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export const STATUS_MISSING = 127;
export const STATUS_TIMEOUT = 124;

export interface System {
  /** Does not use a shell. Rejects for no result of the program. */
  run(program: string, args: readonly string[], input?: string): Promise<CommandOutcome>;
  /** Null when it cannot be read. */
  readFile(path: string): Promise<string | null>;
  /** Locks the rules of this network namespace until the returned function is called. */
  lock(timeoutMs: number): Promise<() => void>;
}

const COMMAND_TIMEOUT_MS = 20_000;
const XTABLES_LOCK_FILE = '/run/xtables.lock';

/** The machine of this process; in a pod: its network namespace. */
export function localSystem(): System {
  // With a read-only root file system the legacy programs cannot create their lock file and fail.
  const lockFile =
    process.env['XTABLES_LOCKFILE'] ??
    (mayWrite(XTABLES_LOCK_FILE) ? XTABLES_LOCK_FILE : join(tmpdir(), 'xtables.lock'));
  const env = { ...process.env, LC_ALL: 'C', XTABLES_LOCKFILE: lockFile };
  return {
    run: (program, args, input) => runProgram(program, args, input, env),
    readFile: async (path) => {
      try {
        return await readFile(path, 'utf8');
      } catch {
        return null;
      }
    },
    lock: (timeoutMs) => lockNamespace('sideroute-iptables', timeoutMs),
  };
}

function mayWrite(file: string): boolean {
  for (const path of [file, join(file, '..')]) {
    try {
      accessSync(path, constants.W_OK);
      return true;
    } catch {
      // The file may not exist yet; the directory decides then.
    }
  }
  return false;
}

function runProgram(
  program: string,
  args: readonly string[],
  input: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<CommandOutcome> {
  return new Promise((resolve) => {
    const child = execFile(
      program,
      args,
      { encoding: 'utf8', env, timeout: COMMAND_TIMEOUT_MS, killSignal: 'SIGKILL', maxBuffer: 16 * 1024 * 1024 },
      (error, stdout, stderr) => {
        const outcome = (status: number, said = stderr) => {
          resolve({ status, stdout, stderr: said });
        };
        if (error === null) outcome(0);
        else if (error.code === 'ENOENT') outcome(STATUS_MISSING, `${program}: not found`);
        else if (error.killed) outcome(STATUS_TIMEOUT, `${program}: no answer within ${COMMAND_TIMEOUT_MS / 1000} s`);
        else if (typeof error.code === 'number') outcome(error.code);
        else outcome(128, stderr || error.message);
      },
    );
    // A program that ends without reading its input prints the reason on standard error.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input ?? '');
  });
}

/**
 * A lock for the network namespace: abstract Unix sockets belong to it, need no file system, and end with their
 * process. To wait, a process connects to the holder's socket, which closes when the holder ends.
 */
async function lockNamespace(name: string, timeoutMs: number): Promise<() => void> {
  const path = `\0${name}`;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const release = await tryListen(path);
    if (release !== null) return release;
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) {
      throw new ProxyError(
        'iptables-locked',
        `Another sideroute changes the rules of this pod; waited ${timeoutMs / 1000} s for it.`,
      );
    }
    await holderEnded(path, leftMs);
  }
}

function tryListen(path: string): Promise<(() => void) | null> {
  return new Promise((resolve, reject) => {
    const waiting = new Set<{ destroy(): void }>();
    const server = createServer((socket) => {
      waiting.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => waiting.delete(socket));
    });
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(null);
      else
        reject(
          new ProxyError('iptables-lock', `Cannot take the lock on the rules: ${error.message}`, { cause: error }),
        );
    });
    server.listen(path, () => {
      resolve(() => {
        server.close();
        for (const socket of waiting) socket.destroy();
      });
    });
  });
}

function holderEnded(path: string, timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const timer = setTimeout(() => socket.destroy(), timeoutMs);
    socket.resume();
    // After an error (the holder ended between the two calls) there is also a close event.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
