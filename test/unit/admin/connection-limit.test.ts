/** Who may connect to the endpoint that everybody reaches, and how often. */
import t from 'tap';
import { ConnectionLimit } from '../../../src/admin/connection-limit.ts';

const v4 = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);
const mapped = (...bytes: number[]): Uint8Array =>
  Uint8Array.from([...Array<number>(10).fill(0), 0xff, 0xff, ...bytes]);
const v6 = (last: number): Uint8Array => Uint8Array.from([0xfd, ...Array<number>(14).fill(0), last]);

function taken(limit: ConnectionLimit, caller: Uint8Array, times: number): number {
  let count = 0;
  for (let i = 0; i < times; i += 1) if (limit.takes(caller)) count += 1;
  return count;
}

t.test('a caller comes 64 times in ten seconds, whether its connections have ended or not', async (t) => {
  let nowMs = 0;
  const limit = new ConnectionLimit(() => nowMs);
  t.equal(taken(limit, v4(10, 0, 0, 1), 100), 64);
  for (let i = 0; i < 100; i += 1) limit.closed();
  t.equal(taken(limit, v4(10, 0, 0, 1), 10), 0);
  t.equal(taken(limit, v4(10, 0, 0, 2), 10), 10, 'others are not kept out');
  t.equal(taken(limit, v6(1), 10), 10);
  nowMs = 10_000;
  t.equal(taken(limit, v4(10, 0, 0, 1), 10), 10);
});

t.test('whoever is in the pod is not limited', async (t) => {
  const limit = new ConnectionLimit(() => 0);
  const loopback = Uint8Array.from([...Array<number>(15).fill(0), 1]);
  for (const caller of [v4(127, 0, 0, 1), mapped(127, 1, 2, 3), loopback]) t.equal(taken(limit, caller, 200), 200);
  t.equal(taken(limit, mapped(10, 0, 0, 1), 200), 64, 'IPv4 on an IPv6 socket');
});

t.test('1,024 are open at the same time, and callers are not remembered without end', async (t) => {
  const limit = new ConnectionLimit(() => 0);
  let count = 0;
  for (let i = 0; i < 5_000; i += 1) if (limit.takes(v4(10, 1, i >> 8, i & 255))) count += 1;
  t.equal(count, 1_024);
  for (let i = 0; i < 5_000; i += 1) limit.closed();
  t.equal(taken(limit, v4(10, 2, 0, 0), 1), 1);
});
