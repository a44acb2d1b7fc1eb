/** What a backend of HTTP/2 ends with its head, a caller of HTTP/1.1 must see the end of: by a length, for its connection goes on. */
import { once } from 'node:events';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import t from 'tap';

import { forwardTo, RecordingHost, type MakeEngine } from '../../support/engine-cases.ts';
import { nativeFront } from '../../support/native-front.ts';
import { uwsFront } from '../../support/uws-front.ts';
import { withoutUws } from '../../support/uws-loads.ts';
import { dial } from '../../support/wire-end.ts';

const ENGINES: readonly (readonly [string, () => MakeEngine, string | false])[] = [
  ['native', nativeFront, false],
  ['uws', uwsFront, withoutUws],
];

/** Fields that frame the body of a response that has only a head. */
const lengthsOf = (head: string): string[] =>
  head
    .split('\r\n')
    .slice(1)
    .map((line) => line.toLowerCase())
    .filter((line) => /^(content-length|transfer-encoding):/.test(line));

for (const [name, make, skip] of ENGINES) {
  t.test(`${name}: a response of HTTP/2 that ends with its head`, { skip }, async (t) => {
    const sessions = new Set<{ destroy(): void }>();
    const server = createServer().on('session', (session) => sessions.add(session));
    server.on('stream', (stream, headers) => {
      const [, status, length] = String(headers[':path']).split('/');
      const fields = length === undefined ? {} : { 'content-length': length };
      stream.respond({ ':status': Number(status), ...fields }, { endStream: true });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const host = new RecordingHost(() => forwardTo(port, undefined, 'http2'));
    const front = await make()(host, { address: '127.0.0.1', port });
    t.teardown(async () => {
      await front.close();
      for (const session of sessions) session.destroy();
      server.close();
    });
    for (const [request, expected] of [
      ['GET /200', ['content-length: 0']],
      ['POST /200', ['content-length: 0']],
      ['GET /302', ['content-length: 0']],
      ['GET /503', ['content-length: 0']],
      ['GET /200/0', ['content-length: 0']],
      // Nobody expects a body of these, and of HEAD the length is that of another response.
      ['HEAD /200', []],
      ['HEAD /200/7', ['content-length: 7']],
      ['GET /204', []],
      ['GET /304', []],
    ] as const) {
      const client = await dial(t, '127.0.0.1', front.port);
      client.send(`${request} HTTP/1.1\r\nHost: a\r\n\r\n`);
      await client.until('\r\n\r\n');
      const heads = client.text.split('\r\n\r\n');
      t.same(lengthsOf(heads[0]!), expected, request);
      t.equal(heads[1], '', `${request} has no body`);
      client.socket.destroy();
    }
  });
}
