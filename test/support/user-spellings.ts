/** Spellings of a user id in an annotation, for the three that parse it: `inject`, the webhook, and the policies. */
import type { Pod } from './inject-pods.ts';

export interface Spelling {
  readonly name: string;
  readonly spell: (uid: number) => string;
}

/** Some are a number for one parser or another, some for none. */
export const SPELLINGS: readonly Spelling[] = [
  { name: 'decimal', spell: String },
  { name: 'one leading zero', spell: (uid) => `0${uid}` },
  { name: 'leading zeros', spell: (uid) => String(uid).padStart(10, '0') },
  { name: 'plus', spell: (uid) => `+${uid}` },
  { name: 'minus', spell: (uid) => `-${uid}` },
  { name: 'blank before', spell: (uid) => ` ${uid}` },
  { name: 'blanks around', spell: (uid) => `\t${uid} \n` },
  { name: 'no-break space before', spell: (uid) => `\u00a0${uid}` },
  { name: 'byte order mark before', spell: (uid) => `\ufeff${uid}` },
  { name: 'next line (U+0085) behind', spell: (uid) => `${uid}\u0085` },
  { name: 'hexadecimal', spell: (uid) => `0x${uid.toString(16)}` },
  { name: 'octal', spell: (uid) => `0o${uid.toString(8)}` },
  { name: 'octal of old', spell: (uid) => `0${uid.toString(8)}` },
  { name: 'fraction', spell: (uid) => `${uid}.0` },
  { name: 'exponent', spell: (uid) => `${uid}e0` },
  { name: 'underscore', spell: (uid) => `${String(uid)[0]}_${String(uid).slice(1)}` },
  {
    name: 'full width digits',
    spell: (uid) => String(uid).replaceAll(/\d/g, (digit) => String.fromCharCode(0xff10 + Number(digit))),
  },
  {
    name: 'Arabic digits',
    spell: (uid) => String(uid).replaceAll(/\d/g, (digit) => String.fromCharCode(0x0660 + Number(digit))),
  },
  { name: 'two lines', spell: (uid) => `${uid}\n1` },
  { name: 'empty', spell: () => '' },
  { name: 'blank', spell: () => ' ' },
];

export const USERS = [1337, 2000, 1, 4_294_967_294] as const;

/** A pod whose annotation names the user of the sidecar in the given spelling, with a container of the user `runAsUser`. */
export function podOfUsers(spelling: string, runAsUser: number, name = 'p'): Pod {
  return {
    ...{ apiVersion: 'v1', kind: 'Pod' },
    metadata: { name, annotations: { 'sideroute.dev/proxy-uid': spelling } },
    spec: { containers: [{ name: 'app', image: 'a:1', securityContext: { runAsUser } }] },
  };
}
