/** What the set-ups of the programs that are compared have in common: where requests come from and go to, and what is asked of each program. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What is dialled, and where requests are to go. */
export const SERVICE = '10.96.0.10';
export const [V1, V2] = ['10.96.0.11', '10.96.0.12'];
/** Of the Service, and of no route: connections to it are carried unread. */
export const TCP_PORT = 9000;

export interface Setting {
  readonly protocol: 'http1' | 'h2c';
  /** 1: a header decides between two backends. More: that many prefixes of paths, to one backend and the other in turn. */
  readonly rules: number;
  /** A line for every request, of the same fields. */
  readonly accessLog: boolean;
}

export interface Place {
  /** Of this program alone. */
  readonly directory: string;
  /** Of loopback, where redirected connections arrive. */
  readonly port: number;
  /** The same for those that are to be carried unread, by programs that have to be told; null: there are none. */
  readonly tcpPort: number | null;
  readonly setting: Setting;
}

export interface Peer {
  readonly name: string;
  /** Text by name within the directory. */
  readonly files: Readonly<Record<string, string>>;
  readonly command: readonly string[];
}

/** Prefix of a rule; all are of one length, so that none is the beginning of another. */
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
