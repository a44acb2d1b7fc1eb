/** Runs the command line as a user or a pipeline does: a real process, standard input and output, exit status. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { runCommand, type CommandResult } from './cluster.ts';
import { outcomeOf } from './processes.ts';
import { SIDEROUTE } from './sidecar.ts';

const [node, ...prefix] = SIDEROUTE;

/** Source directory of the fixtures; the compiled tests lie one level deeper. */
export const FIXTURES = fileURLToPath(new URL('../../../test/fixtures/', import.meta.url));

export function sideroute(args: readonly string[], input?: string): CommandResult {
  return runCommand(node, [...prefix, ...args], input);
}

/** As `sideroute`, for commands that talk to a server of the test itself. */
export function siderouteMeanwhile(...args: readonly string[]): Promise<CommandResult> {
  const child = spawn(node, [...prefix, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  return outcomeOf(child);
}
