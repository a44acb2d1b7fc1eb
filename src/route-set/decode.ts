/**
 * Decodes files that may be the shards of a route set: into a complete set, a torn one, or a damaged one.
 *
 * Stage before: `config/directory-reader.ts` has read the files. Stage after: `config/route-set-files.ts`, which parses
 * the items of complete sets. No file is trusted: the decompressed size is limited, and only one spelling of the header
 * is accepted.
 */
import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { FORMAT, MAX_TEXT_BYTES, shardKey } from './format.ts';

/** The header of a readable shard. */
export interface ShardHeader {
  readonly index: number;
  /** Hex SHA-256 of its text; for shard 0, of the text with generation 0. */
  readonly textHash: string;
  /** For shard 0 only. */
  readonly root: { readonly generation: number; readonly shards: ReadonlyMap<number, string> } | null;
}

export interface OpenShard extends ShardHeader {
  /** UTF-8: a header, one item on each line, and a last line. */
  readonly text: Buffer;
}

/** An unreadable shard. */
export interface ShardDamage {
  readonly index: number;
  /** The fault, as a text about the file. */
  readonly damage: string;
}

export interface CompleteSet {
  readonly hash: string;
  readonly generation: number;
  /** Hashes of the shards in the set, by number, shard 0 first. */
  readonly shards: ReadonlyMap<number, string>;
}

export type SetState =
  | { readonly state: 'absent' }
  | ({ readonly state: 'complete' } & CompleteSet)
  | {
      /** Torn: other shards may still arrive. */
      readonly state: 'torn' | 'damaged';
      readonly shard: number;
      readonly message: string;
      /** The hash it will have when complete; null when shard 0 is unreadable. */
      readonly hash: string | null;
      /** The previous set, if that is complete. */
      readonly previous: CompleteSet | null;
    };

const HASH = /^[0-9a-f]{64}$/;
const BEGIN = /^\{"sideroute":"route-set","format":([0-9]{1,9}),/;
const ROOT =
  /^(\{"sideroute":"route-set","format":1,"generation":)(0|[1-9][0-9]{0,14})(,"shard":([0-9]),"shards":(\{[^{}]*\}),"items":\[\n)/;
const OTHER = /^\{"sideroute":"route-set","format":1,"shard":([0-9]),"items":\[\n/;
const END = /\n\]\}\n?$/;
/** Larger than any header. */
const HEAD_BYTES = 2_048;
/** Bytes hashed between two turns of the event loop: less than 3 ms. */
const HASHED_BYTES = 512 * 1024;

/** Decompresses in another thread. Rejects for no content of the bytes. `index`: from the name of the file. */
export async function openShard(index: number, bytes: Buffer): Promise<OpenShard | ShardDamage> {
  // Loaded on demand: plain route files are not compressed.
  const { gunzip } = await import('node:zlib');
  const unzip = promisify<Buffer, { maxOutputLength: number }, Buffer>(gunzip);
  let text: Buffer;
  try {
    text = await unzip(bytes, { maxOutputLength: MAX_TEXT_BYTES });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE') {
      return { index, damage: `has more than ${MAX_TEXT_BYTES} bytes when decompressed` };
    }
    return { index, damage: `cannot be decompressed: ${message}` };
  }
  if (!isUtf8(text)) return { index, damage: 'is not UTF-8 text' };
  const head = text.toString('latin1', 0, HEAD_BYTES);
  const format = BEGIN.exec(head)?.[1];
  if (format === undefined) return { index, damage: 'is not a shard of a route set' };
  if (Number(format) !== FORMAT) {
    return { index, damage: `has format ${format} of route sets; this version of sideroute reads format ${FORMAT}` };
  }
  const root = ROOT.exec(head);
  const written = root?.[4] ?? OTHER.exec(head)?.[1];
  if (written === undefined) return { index, damage: 'has a header that no shard of a route set has' };
  if (Number(written) !== index || (root === null) !== index > 0) {
    return {
      index,
      damage: `says that it is shard ${written}${index > 0 && root !== null ? ' and names others' : ''}`,
    };
  }
  if (!END.test(text.toString('latin1', text.length - 4))) return { index, damage: 'ends before its last line' };
  if (root === null) return { index, text, root: null, textHash: await hash([text]) };
  const [, before = '', digits = '', , , list = ''] = root;
  const shards = namedShards(list);
  if (shards === null) return { index, damage: 'names other shards in a way that cannot be read' };
  const rest = text.subarray(before.length + digits.length);
  const textHash = await hash([Buffer.from(`${before}0`), rest]);
  return { index, text, textHash, root: { generation: Number(digits), shards } };
}

/** Null unless it is written exactly as by JSON.stringify, which excludes repeated names. */
function namedShards(list: string): Map<number, string> | null {
  try {
    const parsed = JSON.parse(list) as Record<string, unknown>;
    const entries = Object.entries(parsed);
    const fine = entries.every(
      ([name, value]) => /^[1-7]$/.test(name) && typeof value === 'string' && HASH.test(value),
    );
    if (!fine || JSON.stringify(parsed) !== list) return null;
    return new Map(entries.map(([name, value]) => [Number(name), value as string]));
  } catch {
    return null;
  }
}

async function hash(parts: readonly Buffer[]): Promise<string> {
  const sha256 = createHash('sha256');
  for (const part of parts) {
    for (let at = 0; at < part.length; at += HASHED_BYTES) {
      if (at > 0) await nextTurn();
      sha256.update(part.subarray(at, at + HASHED_BYTES));
    }
  }
  return sha256.digest('hex');
}

/**
 * Evaluates the shards, given by number. Shards that shard 0 does not name are not part of the set. `previous`: shard 0
 * of the previous set, if present.
 */
export function assessSet(
  shards: ReadonlyMap<number, ShardHeader | ShardDamage>,
  previous: ShardHeader | ShardDamage | null = null,
): SetState {
  if (shards.size === 0 && previous === null) return { state: 'absent' };
  const found = whatIs(shards.get(0), shards);
  if (found.state === 'complete') return found;
  const before = previous === null ? null : whatIs(previous, shards);
  if (before?.state !== 'complete') return found;
  const { hash, generation, shards: named } = before;
  return { ...found, previous: { hash, generation, shards: named } };
}

function whatIs(
  root: ShardHeader | ShardDamage | undefined,
  shards: ReadonlyMap<number, ShardHeader | ShardDamage>,
): Exclude<SetState, { state: 'absent' }> {
  const none = { hash: null, previous: null };
  if (root === undefined)
    return { state: 'torn', shard: 0, message: 'is missing, and other shards are there', ...none };
  if ('damage' in root) return { state: 'damaged', shard: 0, message: root.damage, ...none };
  // The root of a file named as shard 0 has been read with it.
  const { generation, shards: named } = root.root!;
  const wrong = { hash: root.textHash, previous: null };
  for (const [index, textHash] of named) {
    const shard = shards.get(index);
    if (shard === undefined) {
      return { state: 'torn', shard: index, message: `is missing, and ${shardKey(0)} names it`, ...wrong };
    }
    if ('damage' in shard) return { state: 'damaged', shard: index, message: shard.damage, ...wrong };
    if (shard.textHash !== textHash) {
      const message = `is of another version of the set than ${shardKey(0)}`;
      return { state: 'torn', shard: index, message, ...wrong };
    }
  }
  return {
    ...{ state: 'complete', hash: root.textHash, generation },
    shards: new Map([[0, root.textHash], ...named]),
  };
}

/** Decodes all shards without pauses. `files`: compressed shards by number. */
export async function decodeSet(
  files: ReadonlyMap<number, Buffer>,
): Promise<SetState & { readonly texts: ReadonlyMap<number, Buffer> }> {
  const opened = new Map<number, OpenShard | ShardDamage>();
  for (const [index, bytes] of files) opened.set(index, await openShard(index, bytes));
  const state = assessSet(opened);
  const texts = new Map<number, Buffer>();
  if (state.state === 'complete') {
    for (const index of state.shards.keys()) texts.set(index, (opened.get(index) as OpenShard).text);
  }
  return { ...state, texts };
}
