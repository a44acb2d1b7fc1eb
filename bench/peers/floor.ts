/** What the kernel's part alone costs: a relay that parses nothing (`bench/native/floor.cc`). */
import { fileURLToPath } from 'node:url';
import { V1, type Peer, type Place } from './peer.ts';

const PROGRAM = fileURLToPath(new URL('../../../bench/native/build/floor', import.meta.url));
/** Offsets from the first port. */
export const FLOOR_CLOSE = 400;
export const FLOOR_SPLICE = 500;

export function floor({ port }: Place): Peer {
  return {
    name: 'floor',
    files: {},
    command: [
      ...[PROGRAM, '--to', `${V1}:80`, '--copy', String(port)],
      ...['--close', String(port + FLOOR_CLOSE), '--splice', String(port + FLOOR_SPLICE)],
    ],
  };
}
