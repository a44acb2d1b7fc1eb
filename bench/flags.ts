/**
 * Flags of the programs that measure. `--help` shows what there is; a flag that is wrong is named in one line, with exit status 2.
 *
 * Stage before: `process.argv`. Stage after: the program, which takes what it needs from `opts()`.
 */
import { Command, InvalidArgumentError, Option } from 'commander';

/** `name`: as it is called, such as `npm run guard --`; `does`: what it measures, in a sentence. */
export function flagsOf(name: string, does: string): Command {
  return new Command(name)
    .description(does)
    .allowExcessArguments(false)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));
}

/** @throws InvalidArgumentError */
export function positive(text: string): number {
  const number = Number(text);
  if (number > 0 && Number.isFinite(number)) return number;
  throw new InvalidArgumentError('It must be a positive number.');
}

/** @throws InvalidArgumentError */
export function count(text: string): number {
  const number = positive(text);
  if (Number.isSafeInteger(number)) return number;
  throw new InvalidArgumentError('It must be a whole number from 1.');
}

/** @throws InvalidArgumentError */
export function share(text: string): number {
  const number = positive(text);
  if (number <= 1) return number;
  throw new InvalidArgumentError('It must be at most 1.');
}

/** `a,b`. @throws InvalidArgumentError when there is nothing between two commas */
export function list(text: string): string[] {
  const values = text.split(',');
  if (!values.includes('')) return values;
  throw new InvalidArgumentError('It must be a list such as a,b.');
}

/** Whole numbers, `0,1000`. @throws InvalidArgumentError */
export function sizes(text: string): number[] {
  return list(text).map((value) => (value === '0' ? 0 : count(value)));
}

/** Some of them, `a,b`. */
export function choicesOf(known: readonly string[]): (text: string) => string[] {
  return (text) => {
    const unknown = list(text).find((value) => !known.includes(value));
    if (unknown === undefined) return list(text);
    throw new InvalidArgumentError(`There is no ${unknown}; there are ${known.join(', ')}.`);
  };
}

/** An option whose value is some of them; help shows which there are. */
export function someOf(flags: string, does: string, known: readonly string[]): Option {
  return new Option(flags, `${does}, of ${known.join(', ')}`).argParser(choicesOf(known));
}
