/**
 * Encodes the routes and Services of a namespace as the shards of its route set.
 *
 * Stage before: the controller, which has the texts. Stage after: ConfigMaps, a volume, `decode.ts`. Equal items give
 * equal bytes; hashes do not include the generation.
 */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { FORMAT, MAX_SHARD_BYTES, MAX_TEXT_BYTES, PARTS, shardKey, shardName } from './format.ts';

export interface SetItem {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** The manifest in JSON, on one line. */
  readonly text: string;
}

/** The content of one ConfigMap. */
export interface Shard {
  readonly index: number;
  readonly name: string;
  /** Key in `binaryData`. */
  readonly key: string;
  readonly textHash: string;
  /** Size of its decompressed text, without the digits of the generation. */
  readonly textBytes: number;
  /** The compressed bytes, created on demand. */
  bytes(generation: number): Buffer;
}

export interface RouteSet {
  readonly hash: string;
  /** Shard 0 comes first and names the others. */
  readonly shards: readonly Shard[];
}

/** Up to this size everything is in shard 0, so a change takes one write. */
export const SPREAD_BYTES = 256 * 1024;
/** Digits of a generation. */
const MAX_DIGITS = 16;

/** True when the shard exceeds the limit of a ConfigMap or of a reader. */
export function isTooLarge(shard: Shard, generation: number): boolean {
  return shard.textBytes + MAX_DIGITS > MAX_TEXT_BYTES || shard.bytes(generation).length > MAX_SHARD_BYTES;
}

/** Number of the part, from 0. A change of one item changes one part and shard 0. */
export function partOf({ kind, namespace, name }: SetItem): number {
  const digest = createHash('sha256').update(`${kind} ${namespace}/${name}`).digest();
  return digest.readUInt32BE(0) % PARTS;
}

/** Services before routes, by namespace, name and kind. */
export function compareItems(a: SetItem, b: SetItem): number {
  if ((a.kind === 'Service') !== (b.kind === 'Service')) return a.kind === 'Service' ? -1 : 1;
  return compareText(a.namespace, b.namespace) || compareText(a.name, b.name) || compareText(a.kind, b.kind);
}

/** The items of a large set in one shard. */
export interface EncodedPart {
  readonly part: number;
  /** The shard with this part, under one of its two possible numbers. */
  in(index: number): Shard;
}

/** The content of a set, before it is decided which shards contain it. */
export interface SetContent {
  /** Parts with items; null when shard 0 contains all items. */
  readonly parts: readonly EncodedPart[] | null;
  /** Shard 0 with all items. */
  whole(): Shard;
}

/** `items` must be sorted. */
export function contentOf(items: readonly SetItem[]): SetContent {
  const length = items.reduce((sum, { text }) => sum + text.length, 0);
  const whole = once(() => encodeRoot([], items));
  if (length <= SPREAD_BYTES) return { parts: null, whole };
  const byPart: SetItem[][] = Array.from({ length: PARTS }, () => []);
  for (const item of items) byPart[partOf(item)]!.push(item);
  return { parts: byPart.flatMap((own, part) => (own.length === 0 ? [] : [encodePart(part, own)])), whole };
}

/** `items` must be sorted. */
export function encodePart(part: number, items: readonly SetItem[]): EncodedPart {
  const rest = linesOf(items);
  // A gzip file may consist of several members, so the items are compressed only once.
  const compressed = once(() => gzipSync(rest));
  const made = new Map<number, Shard>();
  const make = (index: number): Shard => {
    const head = `{"sideroute":"route-set","format":${FORMAT},"shard":${index},`;
    const bytes = once(() => Buffer.concat([gzipSync(head), compressed()]));
    const textBytes = Buffer.byteLength(head) + Buffer.byteLength(rest);
    return { index, ...names(index), textHash: sha256(head, rest), textBytes, bytes };
  };
  return {
    part,
    in(index) {
      const shard = made.get(index) ?? make(index);
      made.set(index, shard);
      return shard;
    },
  };
}

/** A shard other than shard 0. `items` must be sorted. */
export function encodeShard(index: number, items: readonly SetItem[]): Shard {
  return encodePart(0, items).in(index);
}

/** Shard 0. `items` must be sorted. Its hash is that of the set: the hash of its text with generation 0. */
export function encodeRoot(others: readonly Pick<Shard, 'index' | 'textHash'>[], items: readonly SetItem[]): Shard {
  const shards = Object.fromEntries(others.map(({ index, textHash }) => [String(index), textHash]));
  const head = (generation: number): string =>
    `{"sideroute":"route-set","format":${FORMAT},"generation":${generation},`;
  const rest = `"shard":0,"shards":${JSON.stringify(shards)},${linesOf(items)}`;
  // A gzip file may consist of several members, so the items that namespaces share are compressed only once.
  const compressed = once(() => gzipSync(rest));
  return {
    ...{ index: 0, ...names(0), textHash: sha256(head(0), rest) },
    textBytes: Buffer.byteLength(head(0)) + Buffer.byteLength(rest),
    bytes: (generation) => Buffer.concat([gzipSync(head(generation)), compressed()]),
  };
}

/** Each item is on its own line, so that a reader can take one at a time and a problem can name the line. */
function linesOf(items: readonly SetItem[]): string {
  return `"items":[\n${items.map(({ text }) => text).join(',\n')}\n]}`;
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

function names(index: number): Pick<Shard, 'name' | 'key'> {
  return { name: shardName(index), key: shardKey(index) };
}

function sha256(head: string, rest: string): string {
  return createHash('sha256').update(head).update(rest).digest('hex');
}

/** By code units, so that the order does not depend on the machine. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
