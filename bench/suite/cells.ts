/** The matrix of `npm run bench`, as data: what every proxy is asked, and how it is set up for that. */
import type { Setting } from '../peers/peer.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** In each round, proxies are started once for each of these. */
export const SETTINGS = {
  http: { title: 'two backends by a header', setting: { protocol: 'http1', rules: 1, accessLog: false } },
  h2c: { title: 'HTTP/2 with prior knowledge', setting: { protocol: 'h2c', rules: 1, accessLog: false } },
  routes: { title: '10,000 prefixes of paths', setting: { protocol: 'http1', rules: 10_000, accessLog: false } },
  log: { title: 'a line of log for every request', setting: { protocol: 'http1', rules: 1, accessLog: true } },
} as const satisfies Readonly<Record<string, { title: string; setting: Setting }>>;

export type SettingKey = keyof typeof SETTINGS;

export interface Cell {
  readonly key: string;
  readonly title: string;
  readonly setting: SettingKey;
  readonly connections: number;
  /** Bytes of the response's body, and of the request's; by default one line, and none. */
  readonly down?: number;
  readonly up?: number;
  /** Number of request fields; by default two. */
  readonly fields?: number;
  /** Requests sent at once, or concurrent calls on an HTTP/2 connection. */
  readonly atOnce?: number;
  /** Every request has its own connection. */
  readonly isClosing?: true;
  /** To the port without routes. */
  readonly isTunnelled?: true;
  /** The added latency at a fixed rate is measured too. */
  readonly isTimed?: true;
  readonly unit: 'request' | 'MiB';
  /** The cheapest way of the floor to do this. */
  readonly floor: 'copy' | 'close' | 'splice';
}

const small = { setting: 'http', unit: 'request', floor: 'copy' } as const;

export const CELLS: readonly Cell[] = [
  { ...small, key: 'get-1', title: 'small GET, 1 connection', connections: 1 },
  { ...small, key: 'get-32', title: 'small GET, 32 connections', connections: 32, isTimed: true },
  { ...small, key: 'get-256', title: 'small GET, 256 connections', connections: 256 },
  { ...small, key: 'down-1k', title: 'response of 1 KiB', connections: 32, down: KIB },
  { ...small, key: 'down-16k', title: 'response of 16 KiB', connections: 32, down: 16 * KIB },
  { ...small, key: 'down-1m', title: 'response of 1 MiB', connections: 8, down: MIB, unit: 'MiB', floor: 'splice' },
  { ...small, key: 'up-64k', title: 'request of 64 KiB', connections: 16, up: 64 * KIB, unit: 'MiB' },
  { ...small, key: 'browser', title: 'request with 30 fields', connections: 32, fields: 30 },
  { ...small, key: 'close', title: 'a connection for each request', connections: 32, isClosing: true, floor: 'close' },
  { ...small, key: 'pipeline', title: 'pipelining, 8 requests at once', connections: 32, atOnce: 8 },
  { ...small, key: 'tcp-get', title: 'TCP passthrough, small messages', connections: 32, isTunnelled: true },
  {
    ...{ ...small, key: 'tcp-1m', title: 'TCP passthrough, 1 MiB', connections: 8, down: MIB, isTunnelled: true },
    ...{ unit: 'MiB', floor: 'splice' },
  },
  {
    ...small,
    setting: 'h2c',
    key: 'h2c-32x1',
    title: 'HTTP/2, 32 x 1 calls',
    connections: 32,
    atOnce: 1,
  },
  {
    ...small,
    setting: 'h2c',
    key: 'h2c-4x16',
    title: 'HTTP/2, 4 x 16 calls',
    connections: 4,
    atOnce: 16,
  },
  { ...small, setting: 'routes', key: 'routes', title: '10,000 routes, 1,000 of them used', connections: 32 },
  { ...small, setting: 'log', key: 'log', title: 'access log on', connections: 32 },
];

/** What is measured beside the cells. */
const BESIDE = ['memory', 'start'] as const;
export type Beside = (typeof BESIDE)[number];

export interface Chosen {
  readonly cells: readonly Cell[];
  readonly beside: readonly Beside[];
}

/** What may be asked for. */
export const ALL_CELLS: readonly string[] = [...CELLS.map(({ key }) => key), ...BESIDE];

/** `keys`: of `ALL_CELLS`; null selects everything. */
export function chosen(keys: readonly string[] | null): Chosen {
  if (keys === null) return { cells: CELLS, beside: BESIDE };
  return {
    cells: CELLS.filter(({ key }) => keys.includes(key)),
    beside: BESIDE.filter((key) => keys.includes(key)),
  };
}

/** Size of the request and response bodies together. */
export function mebibytes({ down = 0, up = 0 }: Cell): number {
  return (down + up) / MIB;
}
