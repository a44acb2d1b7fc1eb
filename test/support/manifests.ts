/** The manifests of deploy/, for tests. */
import { accessSync, constants, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
export const DEPLOY = join(ROOT, 'deploy');

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly restartPolicy?: string;
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
  readonly [field: string]: unknown;
}

export interface PodSpec {
  readonly initContainers?: readonly Container[];
  /** Left out in a patch. */
  readonly containers?: readonly Container[];
  readonly volumes?: readonly { readonly name: string; readonly [source: string]: unknown }[];
  readonly [field: string]: unknown;
}

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: { readonly template?: { readonly spec: PodSpec; readonly metadata: Manifest['metadata'] } };
  readonly data?: Readonly<Record<string, string>>;
}

/** @throws for invalid YAML and duplicate keys */
export function parseManifests(text: string): Manifest[] {
  return parseAllDocuments(text).flatMap((document) => {
    const [error] = document.errors;
    if (error) throw error;
    const manifest = document.toJS() as Manifest | null;
    return manifest === null ? [] : [manifest];
  });
}

/** All YAML files below deploy/ that are not templates, by their path. */
export function deployFiles(directory = ''): string[] {
  return readdirSync(join(DEPLOY, directory), { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return /^helm\/[^/]+\/templates$/.test(path) ? [] : deployFiles(path);
    return entry.isFile() && entry.name.endsWith('.yaml') ? [path] : [];
  });
}

export function readManifests(path: string): Manifest[] {
  return parseManifests(readFileSync(join(DEPLOY, path), 'utf8'));
}

export function find(manifests: readonly Manifest[], kind: string, name?: string): Manifest {
  const found = manifests.find(
    (manifest) => manifest.kind === kind && (name ?? manifest.metadata.name) === manifest.metadata.name,
  );
  if (found === undefined) throw new Error(`there is no ${kind} ${name ?? ''}`);
  return found;
}

/** The container `name` of a workload, of any kind. */
export function container(workload: Manifest, name: string): Container {
  const pod = workload.spec!.template!.spec;
  const found = [...(pod.initContainers ?? []), ...(pod.containers ?? [])].find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`${workload.metadata.name} has no container ${name}`);
  return found;
}

/** Where scripts/prepare.mjs installs programs that it builds. */
const BUILT = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'sideroute', 'bin');

/**
 * Path of a program that may be missing: on the PATH, where `go install` installs it, or where it was built; null:
 * missing.
 */
export function program(name: string): string | null {
  for (const directory of [...(process.env['PATH'] ?? '').split(delimiter), join(homedir(), 'go', 'bin'), BUILT]) {
    const path = join(directory, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this directory.
    }
  }
  return null;
}
