/**
 * Reads the input of `check` and `explain` as the sidecars of pods would find it: directories and files as they are;
 * the ConfigMaps among the documents as mounted directories, one for each namespace.
 *
 * Stage before: the command line. Stage after: `route-input.ts`, which attaches.
 */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isRouteFileName, readDirectory, type FileRead } from '../config/directory-reader.ts';
import { hashContent, ignoredFile, RouteFiles } from '../config/route-files.ts';
import { parseRoutes } from '../config/route-parser.ts';
import { ProxyError } from '../errors.ts';
import { NO_TEXT_LIMITS } from '../gateway-api/limits.ts';
import type { ConfigMapDocument } from '../gateway-api/types.ts';
import type { Problem, Resource } from '../gateway-api/types.ts';
import { shardFile } from '../route-set/format.ts';
import { readBytes, STANDARD_INPUT } from './manifest-input.ts';

/** Files that are mounted together, or were given together. */
export interface RouteSource {
  /** Namespace of the pods that mount them; null when unknown. */
  readonly namespace: string | null;
  /** A name for messages when there are several sources. */
  readonly title: string;
  /** The hash that a sidecar with these files shows. */
  readonly hash: string;
  readonly resources: readonly Resource[];
  readonly problems: readonly Problem[];
  /** By file name: for a file that is a part of another one, the position of its first line there. */
  readonly places: ReadonlyMap<string, Place>;
}

export interface Place {
  readonly file: string;
  readonly line: number;
}

/** Maximum size of a mounted file. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;

interface NamedFile {
  /** Name for messages. */
  readonly label: string;
  /** Name in the mounted directory. */
  readonly name: string;
  readonly content: FileRead['content'];
  /**
   * True for a directory, which a sidecar would read as it is. A file or a stream may contain other documents as well.
   */
  readonly mounted: boolean;
}

/** A ConfigMap, and the file that contains its document. */
interface GivenConfigMap extends ConfigMapDocument {
  readonly file: string;
}

/**
 * `paths`: directories, files, `-`. `namespace`: for documents without one. ConfigMaps of namespaces other than `only`
 * are left out and listed in `skipped`.
 *
 * @throws ProxyError for input that cannot be read at all
 */
export async function readRouteSources(
  paths: readonly string[],
  namespace: string | null,
  only: string | null,
): Promise<{ readonly sources: readonly RouteSource[]; readonly skipped: readonly string[] }> {
  const ignored: Problem[] = [];
  const files: NamedFile[] = [];
  for (const path of paths) files.push(...(await readPath(path, paths.length > 1, ignored)));
  const configMaps: GivenConfigMap[] = [];
  const plain = await sourceOf(files, namespace, '', (file, text, layout) => {
    const { mounted } = files.find(({ label }) => label === file)!;
    const parsed = mounted
      ? parseRoutes(file, text, namespace, { manifests: 'files', layout })
      : parseRoutes(file, text, namespace, { manifests: 'any', limits: NO_TEXT_LIMITS, layout });
    configMaps.push(...(parsed.configMaps ?? []).map((configMap) => ({ ...configMap, file })));
    if (!mounted && text.trim() === '') ignored.push(emptyInput(file));
    return parsed;
  });
  const found = { ...plain, problems: [...plain.problems, ...ignored] };
  if (configMaps.length === 0) return { sources: [found], skipped: [] };

  const groups = new Map<string | null, GivenConfigMap[]>();
  const skipped: string[] = [];
  for (const configMap of configMaps) {
    const of = configMap.namespace ?? namespace;
    if (only !== null && of !== only) skipped.push(`${of ?? ''}/${configMap.name}`);
    else groups.set(of, [...(groups.get(of) ?? []), configMap]);
  }
  const mounted: RouteSource[] = [];
  for (const [of, group] of groups) mounted.push(await mountedSource(group, of));
  const others = found.resources.length + found.problems.length > 0;
  return { sources: others ? [found, ...mounted] : mounted, skipped };
}

async function readPath(path: string, several: boolean, ignored: Problem[]): Promise<NamedFile[]> {
  if (path !== STANDARD_INPUT && (await isDirectory(path))) {
    const read = await readDirectory(path, MAX_FILE_BYTES);
    const labelOf = (name: string): string => (several ? join(path, name) : name);
    ignored.push(...read.ignored.map((name) => ignoredFile(labelOf(name))));
    return read.files.map(({ name, content }) => ({ label: labelOf(name), name, content, mounted: true }));
  }
  const { name: label, bytes } = await readBytes(path);
  return [{ label, name: label, content: bytes, mounted: false }];
}

/** @throws ProxyError when the path does not exist */
async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'does not exist' : `cannot be read: ${message}`;
    throw new ProxyError('unreadable-input', `${path}: ${why}`, { cause: error });
  }
}

type Parse = ConstructorParameters<typeof RouteFiles>[0];

async function sourceOf(
  files: readonly NamedFile[],
  namespace: string | null,
  title: string,
  parse: Parse,
): Promise<RouteSource> {
  const read = files.map(({ label, content }) => ({ name: label, content, digest: digestOf(content) }));
  // The directory is read only once, so a torn set is reported at once.
  const snapshot = await new RouteFiles(parse, true, 0).update({
    files: read,
    ignored: [],
    layout: 'plain',
    identity: '',
  });
  if (snapshot === null) throw new ProxyError('internal', 'the first read gave no snapshot');
  const plain = files.filter(({ name }) => shardFile(name) === null);
  const named = plain.map(({ name, content }) => ({ name, digest: digestOf(content) }));
  const { resources, problems, routeSet } = snapshot;
  const hash = hashContent(
    named.sort((a, b) => (a.name < b.name ? -1 : 1)),
    routeSet,
  );
  return { namespace, title, hash, resources, problems, places: new Map() };
}

/** As in `directory-reader.ts`, so that the hash is the same. */
function digestOf(content: FileRead['content']): string {
  const hashed = Buffer.isBuffer(content) ? content : `\0${content.code}: ${content.message}`;
  return createHash('sha256').update(hashed).digest('hex');
}

/** All ConfigMaps of a namespace as one volume. */
async function mountedSource(configMaps: readonly GivenConfigMap[], namespace: string | null): Promise<RouteSource> {
  const files = new Map<string, NamedFile>();
  const problems: Problem[] = [];
  const places = new Map<string, Place>();
  for (const { name: configMap, file, files: keys } of configMaps) {
    for (const { name, content, line } of keys) {
      const label = `configmap/${configMap}:${name}`;
      if (!isRouteFileName(name)) {
        problems.push(ignoredFile(label));
        continue;
      }
      const other = files.get(name);
      if (other !== undefined) problems.push(sameKey(label, other.label));
      files.set(name, { label, name, content, mounted: true });
      if (line !== null) places.set(label, { file, line });
    }
  }
  const title = `ConfigMaps${namespace === null ? '' : ` of namespace ${namespace}`}`;
  const parse: Parse = (file, text, layout) => parseRoutes(file, text, namespace, { layout });
  const source = await sourceOf([...files.values()], namespace, title, parse);
  return { ...source, problems: [...source.problems, ...problems], places };
}

/** For instance from a pipe whose writer has failed. */
function emptyInput(file: string): Problem {
  const message = 'is empty';
  return { severity: 'warning', code: 'empty-input', file, document: 1, line: null, resource: null, path: '', message };
}

function sameKey(file: string, other: string): Problem {
  const message = `${other} has the same key: in one volume only one of the two files is there`;
  return { severity: 'warning', code: 'same-key', file, document: 1, line: null, resource: null, path: '', message };
}
