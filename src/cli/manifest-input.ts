/**
 * Shared by `inject`, `uninject` and `routes export`: reads manifests from standard input or files, and writes them to
 * standard output.
 */
import { createReadStream } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { isatty } from 'node:tty';
import { ProxyError } from '../errors.ts';
import { readStandardInput } from './standard-streams.ts';

export interface InputFile {
  /** As given on the command line; `stdin` for standard input. */
  readonly name: string;
  readonly text: string;
}

/** Maximum size of one input. More is not a manifest, but for example a device file without an end. */
const MOST_BYTES = 64 * 1024 * 1024;

/** The name of standard input on the command line. */
export const STANDARD_INPUT = '-';

/** Files given with `-f` and as arguments. @throws ProxyError for an empty name */
export function filesGiven(named: readonly string[], withFlag: readonly string[]): readonly string[] {
  const files = [...withFlag, ...named];
  if (files.includes(''))
    throw new ProxyError('invalid-setting', 'got "" for a file; name one, or - for standard input');
  return files;
}

/** A byte order mark is kept, because it must not change either. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The given files, or standard input when there are none. @throws ProxyError naming the file */
export async function readInput(files: readonly string[]): Promise<InputFile[]> {
  if (files.length === 0 && isatty(0)) {
    throw new ProxyError('invalid-setting', 'name files, or give manifests on standard input');
  }
  refuseTwice(files);
  const inputs: InputFile[] = [];
  for (const file of files.length === 0 ? [STANDARD_INPUT] : files) {
    const { name, bytes } = await readBytes(file);
    inputs.push({ name, text: textOf(name, bytes) });
  }
  return inputs;
}

/** @throws ProxyError when standard input is named more than once */
export function refuseTwice(files: readonly string[]): void {
  if (files.indexOf(STANDARD_INPUT) === files.lastIndexOf(STANDARD_INPUT)) return;
  throw new ProxyError('invalid-setting', '- stands twice: standard input can be read only once');
}

/** @throws ProxyError naming the file */
export async function readBytes(file: string): Promise<{ readonly name: string; readonly bytes: Buffer }> {
  const name = file === STANDARD_INPUT ? 'stdin' : file;
  try {
    return { name, bytes: file === STANDARD_INPUT ? await readStandardInput(MOST_BYTES) : await readWhole(file) };
  } catch (error) {
    throw new ProxyError('unreadable-input', `${name}: cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

async function readWhole(file: string): Promise<Buffer> {
  const bytes = await buffer(createReadStream(file, { end: MOST_BYTES }));
  if (bytes.length > MOST_BYTES) throw new RangeError(`it has more than ${MOST_BYTES} bytes`);
  return bytes;
}

function textOf(name: string, bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new ProxyError('invalid-utf8', `${name}: is not UTF-8 text`);
  }
}

/** Joins texts to one stream of documents. A single text stays unchanged. */
export function joinManifests(texts: readonly string[]): string {
  let joined = '';
  for (const [index, text] of texts.entries()) {
    if (index === 0) {
      joined = text;
      continue;
    }
    if (joined !== '' && !joined.endsWith('\n')) joined += '\n';
    const next = text.replace(/^\ufeff/, '');
    joined += /^(?:---|%)/.test(next) || joined === '' ? next : `---\n${next}`;
  }
  return joined;
}
