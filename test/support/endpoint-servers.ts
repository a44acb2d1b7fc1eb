/** Runs tests of endpoints on each of the two servers that can serve them. */
import t, { type Test } from 'tap';

import type { ServerName } from '../../src/admin/endpoint-server.ts';
import { withoutUws } from './uws-loads.ts';

export function onEachServer(title: string, body: (t: Test, server: ServerName) => Promise<void>): void {
  void t.test(`${title} (node:http)`, (t) => body(t, 'http'));
  void t.test(`${title} (uWebSockets.js)`, { skip: withoutUws }, (t) => body(t, 'uws'));
}
