/**
 * Heads behind the `uws` engine: what the gate in front of it would not have let pass, later on a connection that it
 * has. The native engine carries such requests or refuses them itself.
 */
import t, { type Test } from 'tap';

import { forwardTo, RecordingHost } from '../../support/engine-cases.ts';
import { SMUGGLED } from '../../support/safety.ts';
import { uwsFront } from '../../support/uws-front.ts';
import { withoutUws } from '../../support/uws-loads.ts';
import { dial, ScriptedBackend } from '../../support/wire-end.ts';

const FIRST = 'GET /first HTTP/1.1\r\nHost: a\r\n\r\n';
const LENGTH = `Content-Length: ${SMUGGLED.length}\r\n`;

async function refusedLater(t: Test, request: string): Promise<void> {
  const backend = await ScriptedBackend.listen(t);
  const host = new RecordingHost(() => forwardTo(backend.port));
  const front = await uwsFront()(host, { address: '127.0.0.1', port: backend.port });
  t.teardown(() => front.close());
  backend.onBytes = (end) => end.send('HTTP/1.1 204 No Content\r\n\r\n');
  const client = await dial(t, '127.0.0.1', front.port);
  client.send(FIRST);
  await client.until('\r\n\r\n');
  const [first] = backend.connections;
  first!.forget();
  client.forget();
  client.send(request + SMUGGLED);
  await client.untilEnd();
  // Closed without a word when more follows before the refusal is written.
  t.match(client.text, /^(?:HTTP\/1\.1 (?:400|501|505) (?:(?!HTTP\/1\.1 )[^])*)?$/, 'one refusal at most');
  t.equal(first!.text, '', 'nothing reached the backend');
  t.equal(backend.connections.length, 1);
  t.strictSame(
    host.asked.map(({ path }) => path),
    ['/first'],
  );
}

t.test(
  'SAFETY 99: the uws engine refuses CONNECT with a body later on a connection',
  { skip: withoutUws },
  async (t) => {
    await refusedLater(t, `CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n${LENGTH}\r\n${SMUGGLED}`);
    await refusedLater(t, `CONNECT /x HTTP/1.1\r\nHost: a\r\n${LENGTH}\r\n${SMUGGLED}`);
    await refusedLater(t, `CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`);
  },
);

t.test('SAFETY 105: the uws engine refuses CONNECT, whatever its Host', { skip: withoutUws }, async (t) => {
  await refusedLater(t, 'CONNECT one:80 HTTP/1.1\r\nHost: two:80\r\n\r\n');
  await refusedLater(t, 'CONNECT one:80 HTTP/1.1\r\nHost: one:80\r\n\r\n');
});

t.test(
  'SAFETY 109: the uws engine refuses an absolute target with user information',
  { skip: withoutUws },
  async (t) => {
    await refusedLater(t, 'GET http://u@b/x HTTP/1.1\r\nHost: b\r\n\r\n');
    await refusedLater(t, 'GET http://@b/x HTTP/1.1\r\nHost: b\r\n\r\n');
  },
);
