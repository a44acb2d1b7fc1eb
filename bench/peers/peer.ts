/** What the set-ups of all compared programs share: addresses, and what each program is to do. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The address that is dialled, and those of the backends. */
export const SERVICE = '10.96.0.10';
export const [V1, V2] = ['10.96.0.11', '10.96.0.12'];
/** A port of the Service without routes: connections to it pass through without being parsed. */
export const TCP_PORT = 9000;

export interface Setting {
  readonly protocol: 'http1' | 'h2c';
  /** 1: a header decides between two backends. More: that many path prefixes, alternating between the backends. */
  readonly rules: number;
  /** Log one line for every request, with the same fields in all programs. */
  readonly accessLog: boolean;
}

export interface Place {
  /** Of this program only. */
  readonly directory: string;
  /** The loopback port that connections are redirected to. */
  readonly port: number;
  /** The same for passthrough connections, for programs that need a separate port; null: none. */
  readonly tcpPort: number | null;
  readonly setting: Setting;
}

export interface Peer {
  readonly name: string;
  /** Texts by file name within the directory. */
  readonly files: Readonly<Record<string, string>>;
  readonly command: readonly string[];
}

/** The prefix of a rule; all have the same length, so that none is the beginning of another. */
export function prefixOf(rule: number): string {
  return `/s-${String(rule).padStart(5, '0')}`;
}

export const backendOf = (rule: number): 'v1' | 'v2' => (rule % 2 === 0 ? 'v1' : 'v2');

export function rulesOf({ rules }: Setting): number[] {
  return Array.from({ length: rules }, (_, index) => index);
}

export function writeFiles({ files }: Peer, directory: string): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
}
