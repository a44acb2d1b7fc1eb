/**
 * Finds and merges kubeconfig files as kubectl does: for each name the first file that has it applies.
 *
 * Stage before: flags and environment. Stage after: `kubeconfig.ts` reads the entries of one context.
 */
import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { ProxyError } from '../errors.ts';
import { NO_TEXT_LIMITS } from '../gateway-api/limits.ts';
import { valueOf } from '../gateway-api/values.ts';
import { readTrees } from '../gateway-api/yaml-tree.ts';
import { finish } from '../slices.ts';
import { readCredential } from './access.ts';
import { isObject, listOf, objectOf, textOf, type Json } from './json.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** An entry of a list in a kubeconfig, and its location. */
export interface Entry {
  readonly value: Json;
  readonly file: string;
  /** The base directory of relative paths in it. */
  readonly directory: string;
}

export interface Kubeconfig {
  /** Files that were read. */
  readonly files: readonly string[];
  /** Empty when not set. */
  readonly currentContext: string;
  readonly contexts: ReadonlyMap<string, Entry>;
  readonly clusters: ReadonlyMap<string, Entry>;
  readonly users: ReadonlyMap<string, Entry>;
}

/**
 * The existing files: only that of the flag, or those of $KUBECONFIG, or ~/.kube/config. @throws ProxyError when the
 * file of the flag does not exist
 */
export function kubeconfigFiles(flag: string | null, environment: Environment): readonly string[] {
  if (flag !== null) {
    if (!existsSync(flag)) {
      throw new ProxyError('bad-kubeconfig', `--kubeconfig ${flag}: there is no such file; name the one kubectl uses`);
    }
    return [flag];
  }
  return possibleFiles(environment).filter((file) => existsSync(file));
}

/** Existing or not; none without a home directory. */
export function possibleFiles(environment: Environment): readonly string[] {
  const listed = (environment['KUBECONFIG'] ?? '').split(delimiter).filter((file) => file !== '');
  if (listed.length > 0) return [...new Set(listed)];
  const home = environment['HOME'] || homeOfUser();
  // A relative one would name a file of the current directory, whose commands would be run.
  return !isAbsolute(home) ? [] : [join(home, '.kube', 'config')];
}

/** Empty for a user without an entry in the user database, as in a container. */
function homeOfUser(): string {
  try {
    return userInfo().homedir;
  } catch {
    return '';
  }
}

/** @throws ProxyError naming the invalid file */
export function readKubeconfig(files: readonly string[]): Kubeconfig {
  const [contexts, clusters, users] = [new Map<string, Entry>(), new Map<string, Entry>(), new Map<string, Entry>()];
  let currentContext = '';
  for (const file of files) {
    const config = readConfig(file);
    currentContext ||= textOf(config, 'current-context') ?? '';
    for (const [list, field, entries] of [
      ['contexts', 'context', contexts],
      ['clusters', 'cluster', clusters],
      ['users', 'user', users],
    ] as const) {
      for (const entry of listOf(config, list)) {
        const name = textOf(entry, 'name');
        if (name === null || entries.has(name)) continue;
        entries.set(name, { value: objectOf(entry, field), file, directory: dirname(file) });
      }
    }
  }
  return { files, currentContext, contexts, clusters, users };
}

function readConfig(file: string): Json {
  const values: unknown[] = [];
  const text = readCredential(file);
  const faults = finish(
    readTrees(
      text,
      function* ({ root }) {
        values.push(valueOf(root));
        yield;
      },
      undefined,
      NO_TEXT_LIMITS,
    ),
  );
  const fail = (what: string): never => {
    throw new ProxyError('bad-kubeconfig', `${file}: ${what}; kubectl config view shows what kubectl reads`);
  };
  if (faults.length > 0) return fail(faults[0]!.message);
  // An empty file has no entries.
  const [value = null] = values;
  return value === null ? {} : isObject(value) ? value : fail('is no kubeconfig');
}
