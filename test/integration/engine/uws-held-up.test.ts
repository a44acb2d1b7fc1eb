/** The thread that serves requests does nothing for a while: see native-held-up.test.ts. */
import t from 'tap';

import type { Decision } from '../../../src/routing/decision.ts';
import { forwardTo, RecordingHost } from '../../support/engine-cases.ts';
import { ScriptedBackend, WireEnd } from '../../support/wire-end.ts';
import { uwsFront } from '../../support/uws-front.ts';
import { withoutUws } from '../../support/uws-loads.ts';
import { connect } from 'node:net';
import { once } from 'node:events';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const LIMIT_MS = 3_000;

t.test(
  'a response that has arrived while the thread was held up comes before the timeout',
  { skip: withoutUws },
  async (t) => {
    for (const limit of ['requestTimeoutMs', 'attemptTimeoutMs'] as const) {
      const backend = await ScriptedBackend.listen(t);
      const policy = { requestTimeoutMs: 0, attemptTimeoutMs: 0, retry: null, [limit]: LIMIT_MS };
      const host = new RecordingHost((): Decision => ({ ...forwardTo(backend.port), policy }));
      const front = await uwsFront()(host, { address: '127.0.0.1', port: backend.port });
      t.teardown(() => front.close());
      const socket = connect({ port: front.port, host: '127.0.0.1' });
      await once(socket, 'connect');
      t.teardown(() => socket.destroy());
      const client = new WireEnd(socket);
      client.send(GET);
      const upstream = await backend.next();
      await upstream.until('\r\n\r\n');
      await new Promise<void>((resolve) => {
        setImmediate(() => {
          upstream.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LIMIT_MS + 100);
          resolve();
        });
      });
      t.match(await client.until('\r\n\r\n'), /^HTTP\/1.1 200 /, limit);
    }
  },
);
