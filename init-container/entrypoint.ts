#!/usr/bin/env node
/**
 * What the init container runs: `sideroute iptables apply`, configured by environment variables, and of the rest only
 * the addon, for the connectivity check.
 *
 * Arguments are those of `apply`. A failure ends the container with a non-zero status, which Kubernetes shows: a pod
 * that does not start is better than one that silently bypasses its routes.
 */
import { Command } from 'commander';
import { loadNative } from '../src/addon/binding.ts';
import { registerIptables } from '../src/cli/iptables.ts';
import { outputSettled, writeNote, writeOutput } from '../src/cli/standard-streams.ts';

const program = new Command('sideroute-init').configureOutput({ writeOut: writeOutput, writeErr: writeNote });
registerIptables(program, { loadBinding: loadNative });
void main();

async function main(): Promise<void> {
  await program.parseAsync(['iptables', 'apply', ...process.argv.slice(2)], { from: 'user' });
  // The rules decide how it ends, not who reads about them.
  await outputSettled();
}
