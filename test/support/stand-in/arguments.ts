/**
 * The command line of kubectl with the flags that the documents use; any other flag is an error, so that none is
 * ignored.
 */
import { CommandError } from './objects.ts';

/** Long name by spelling; these take a value. */
const VALUES: Readonly<Record<string, string>> = {
  '-n': 'namespace',
  '-f': 'filename',
  '-k': 'kustomize',
  '-l': 'selector',
  '-o': 'output',
  '-c': 'container',
  ...Object.fromEntries(
    [
      ...['namespace', 'filename', 'kustomize', 'selector', 'output', 'container', 'for', 'timeout', 'tail', 'since'],
      ...['image', 'target', 'from-file', 'dry-run', 'profile', 'replicas', 'address', 'field-manager'],
    ].map((name) => [`--${name}`, name]),
  ),
};

/** Long name by spelling; these take no value. */
const SWITCHES: Readonly<Record<string, string>> = {
  '-A': 'all-namespaces',
  '-i': 'stdin',
  '-t': 'tty',
  '-it': 'stdin',
  '-q': 'quiet',
  ...Object.fromEntries(
    [
      ...['all-namespaces', 'all', 'server-side', 'force-conflicts', 'overwrite', 'stdin', 'tty', 'quiet', 'wait'],
      ...['follow', 'previous', 'ignore-not-found', 'no-headers', 'all-containers', 'prefix', 'timestamps', 'current'],
    ].map((name) => [`--${name}`, name]),
  ),
};

export interface Arguments {
  readonly words: readonly string[];
  readonly flags: ReadonlyMap<string, string>;
  /** Several files: `-f a.yaml -f b.yaml`. */
  readonly files: readonly string[];
  /** Behind `--`; null when there is none. */
  readonly command: readonly string[] | null;
}

/** @throws CommandError for a flag that is not listed here */
export function parseArguments(args: readonly string[]): Arguments {
  const words: string[] = [];
  const files: string[] = [];
  const flags = new Map<string, string>();
  const left = [...args];
  while (left.length > 0) {
    const arg = left.shift()!;
    if (arg === '--') return { words, flags, files, command: left };
    const equals = arg.startsWith('--') ? arg.indexOf('=') : -1;
    const name = equals === -1 ? arg : arg.slice(0, equals);
    // `logs -f` follows the log; elsewhere a file name follows.
    const value = name === '-f' && words[0] === 'logs' ? undefined : VALUES[name];
    if (value !== undefined) {
      const given = equals === -1 ? left.shift() : arg.slice(equals + 1);
      if (given === undefined) throw new CommandError(`error: flag needs an argument: ${name}`);
      if (value === 'filename') files.push(given);
      flags.set(value, given);
    } else if (name === '-f' || SWITCHES[name] !== undefined) {
      flags.set(SWITCHES[name] ?? 'follow', equals === -1 ? 'true' : arg.slice(equals + 1));
    } else if (arg.startsWith('-') && arg !== '-') {
      throw new CommandError(`error: the stand-in for kubectl has no flag ${name}`);
    } else {
      words.push(arg);
    }
  }
  return { words, flags, files, command: null };
}
