/**
 * The message for a failure of any command, and its exit status: 1: the command failed; 2: the command line is wrong.
 */
import { ProxyError } from '../errors.ts';
import { writeNote } from './standard-streams.ts';

/** Commander has already printed the message of its errors; `exitCode` is 0 for `--help`. */
interface CommanderFailure extends Error {
  readonly code: string;
  readonly exitCode: number;
}

/** `instanceof` would require loading commander. */
function isCommanders(error: unknown): error is CommanderFailure {
  return error instanceof Error && String((error as { code?: unknown }).code).startsWith('commander.');
}

/** Prints the failure in one line and sets the exit status, unless an earlier failure has set it. */
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
