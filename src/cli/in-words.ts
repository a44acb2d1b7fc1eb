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

/** Texts of other programs may move the cursor of a terminal, colour it, or change the direction of writing. */
function printable(text: string): string {
  return text
    .trim()
    .replaceAll(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, ' ');
}

/** Prints the failure in one line and sets the exit status, unless an earlier failure has set it. */
export async function inWords(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (isCommanders(error)) {
      process.exitCode ||= error.exitCode === 0 ? 0 : 2;
    } else if (error instanceof ProxyError) {
      writeNote(`sideroute: ${printable(error.message)}\n`);
      process.exitCode ||= error.code === 'invalid-setting' ? 2 : 1;
    } else {
      throw error;
    }
  }
}
