/** How a failure of any command is told, and its exit status: 1, the command failed; 2, the command line is wrong. */
import { ProxyError } from '../errors.ts';
import { writeNote } from './standard-streams.ts';

/** What commander throws has been told by commander; `exitCode` is 0 for `--help`. */
interface CommanderFailure extends Error {
  readonly code: string;
  readonly exitCode: number;
}

/** Not by its class, for which commander would have to be loaded. */
function isCommanders(error: unknown): error is CommanderFailure {
  return error instanceof Error && String((error as { code?: unknown }).code).startsWith('commander.');
}

/** Says what has failed, in one line, and leaves its exit status, unless there is one of an earlier failure. */
export async function inWords(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (isCommanders(error)) {
      process.exitCode ||= error.exitCode === 0 ? 0 : 2;
    } else if (error instanceof ProxyError) {
      writeNote(`sideroute: ${error.message}\n`);
      process.exitCode ||= error.code === 'invalid-setting' ? 2 : 1;
    } else {
      throw error;
    }
  }
}
