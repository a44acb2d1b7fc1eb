#!/usr/bin/env node
/**
 * Entry point: argv -> command. Exit status 0: done; 1: the command found what it was asked to look for, or failed;
 * 2: the command line is wrong.
 */
import { CommanderError } from 'commander';
import { ProxyError } from './errors.ts';
import { buildProgram } from './program.ts';

try {
  await buildProgram().parseAsync(process.argv);
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  } else if (error instanceof ProxyError) {
    process.stderr.write(`sideroute: ${error.message}\n`);
    process.exitCode = error.code === 'invalid-setting' ? 2 : 1;
  } else {
    throw error;
  }
}
