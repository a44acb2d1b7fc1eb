#!/usr/bin/env node
/**
 * Entry point: argv -> command. Exit status 0: done; 1: the command found what it was asked to look for, or failed;
 * 2: the command line is wrong.
 */
import { CommanderError } from 'commander';
import { outputTaken, writeNote } from './cli/standard-streams.ts';
import { ProxyError } from './errors.ts';
import { buildProgram } from './program.ts';

async function run(): Promise<void> {
  try {
    await buildProgram().parseAsync(process.argv);
    await outputTaken();
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : 2;
    } else if (error instanceof ProxyError) {
      writeNote(`sideroute: ${error.message}\n`);
      process.exitCode = error.code === 'invalid-setting' ? 2 : 1;
    } else {
      throw error;
    }
  }
}

await run();
await outputTaken();
