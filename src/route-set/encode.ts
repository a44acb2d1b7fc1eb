/**
 * Routes and Services of a namespace to the shards of its route set.
 *
 * Stage before: the controller, which has the texts. Stage after: ConfigMaps, a volume, `decode.ts`. Equal items give equal
 * bytes; the generation is in no hash.
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

/** One ConfigMap. */
export interface Shard {
  readonly index: number;
  readonly name: string;
  /** In `binaryData`. */
  readonly key: string;
  readonly textHash: string;
  /** Of its text, decompressed, without the digits of the generation. */
  readonly textBytes: number;
  /** Compressed; not made before it is asked for. */
  bytes(generation: number): Buffer;
}

export interface RouteSet {
  readonly hash: string;
  /** The first is shard 0, which names the others. */
  readonly shards: readonly Shard[];
}

/** Up to here everything is in shard 0, and one change is one write. */
export const SPREAD_BYTES = 256 * 1024;
/** Digits of a generation. */
const MAX_DIGITS = 16;

/** Whether the shard is more than a ConfigMap takes, or more than a reader does. */
export function isTooLarge(shard: Shard, generation: number): boolean {
  return shard.textBytes + MAX_DIGITS > MAX_TEXT_BYTES || shard.bytes(generation).length > MAX_SHARD_BYTES;
}

/** From 0 on. A change of one item changes one part, and shard 0. */
export function partOf({ kind, namespace, name }: SetItem): number {
  const digest = createHash('sha256').update(`${kind} ${namespace}/${name}`).digest();
  return digest.readUInt32BE(0) % PARTS;
}

/** Services before routes, by namespace, name and kind. */
export function compareItems(a: SetItem, b: SetItem): number {
  if ((a.kind === 'Service') !== (b.kind === 'Service')) return a.kind === 'Service' ? -1 : 1;
  return compareText(a.namespace, b.namespace) || compareText(a.name, b.name) || compareText(a.kind, b.kind);
}

/** Items of a large set that stand in one shard. */
export interface EncodedPart {
  readonly part: number;
  /** The shard that holds it, under one of the two numbers that it may have. */
  in(index: number): Shard;
}

/** What a set is made of, before it is decided which shards hold it. */
export interface SetContent {
  /** Those with items; null when shard 0 holds them all. */
  readonly parts: readonly EncodedPart[] | null;
  /** Shard 0 with all items in it. */
  whole(): Shard;
}

/** `items` are sorted. */
export function contentOf(items: readonly SetItem[]): SetContent {
  const length = items.reduce((sum, { text }) => sum + text.length, 0);
  const whole = once(() => encodeRoot([], items));
  if (length <= SPREAD_BYTES) return { parts: null, whole };
  const byPart: SetItem[][] = Array.from({ length: PARTS }, () => []);
  for (const item of items) byPart[partOf(item)]!.push(item);
  return { parts: byPart.flatMap((own, part) => (own.length === 0 ? [] : [encodePart(part, own)])), whole };
}

/** `items` are sorted. */
export function encodePart(part: number, items: readonly SetItem[]): EncodedPart {
  const rest = linesOf(items);
  // Members of a gzip file follow one another: so the items are compressed once.
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

/** One behind the first; `items` are sorted. */
export function encodeShard(index: number, items: readonly SetItem[]): Shard {
  return encodePart(0, items).in(index);
}

/** Shard 0; `items` are sorted. Its hash is that of the set: of its text as if the generation were 0. */
export function encodeRoot(others: readonly Pick<Shard, 'index' | 'textHash'>[], items: readonly SetItem[]): Shard {
  const shards = Object.fromEntries(others.map(({ index, textHash }) => [String(index), textHash]));
  const head = (generation: number): string =>
    `{"sideroute":"route-set","format":${FORMAT},"generation":${generation},`;
  const rest = `"shard":0,"shards":${JSON.stringify(shards)},${linesOf(items)}`;
  // Members of a gzip file follow one another: so what namespaces share is compressed once.
  const compressed = once(() => gzipSync(rest));
  return {
    ...{ index: 0, ...names(0), textHash: sha256(head(0), rest) },
    textBytes: Buffer.byteLength(head(0)) + Buffer.byteLength(rest),
    bytes: (generation) => Buffer.concat([gzipSync(head(generation)), compressed()]),
  };
}

/** Each item on a line of its own: a reader takes one at a time, and a problem names the line. */
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

/** By code units, so that the order is the same on every machine. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
