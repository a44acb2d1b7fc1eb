/**
 * Files in memory to one tar.gz, always in the same order and with the same names and owners, so that two bundles of one state differ in their times alone.
 *
 * Stage before: `collection.ts`. Stage after: whoever writes the bytes.
 */
import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { createGzip } from 'node:zlib';
import { pack } from 'tar-stream';

export interface ArchivedFile {
  /** Segments by `/`, each as `segment` makes it. */
  readonly name: string;
  readonly text: string;
}

/** Of a name of a file: what every file system and every tar takes. */
const MAX_SEGMENT_CHARS = 80;
const FILE_MODE = 0o644;

/** `directory`: in which everything is unpacked. */
export async function tarGz(directory: string, files: readonly ArchivedFile[], mtime: Date): Promise<Buffer> {
  const tar = pack();
  const zipped = createGzip();
  const whole = buffer(tar.pipe(zipped));
  for (const { name, text } of files) {
    tar.entry({ name: `${directory}/${name}`, mode: FILE_MODE, uid: 0, gid: 0, mtime }, Buffer.from(text, 'utf8'));
  }
  tar.finalize();
  return await whole;
}

/**
 * A name from a cluster as a segment of a path: letters, digits and `. _ -` alone, not hidden, not `..`, not long. What had to be changed has a hash, so that
 * two names stay two.
 */
export function segment(name: string): string {
  const safe = name.replaceAll(/[^A-Za-z0-9._-]/g, '_').replace(/^[.-]+/, '_');
  if (safe === name && name !== '' && name.length <= MAX_SEGMENT_CHARS) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 8);
  return `${(safe === '' ? '_' : safe).slice(0, MAX_SEGMENT_CHARS - hash.length - 1)}-${hash}`;
}
