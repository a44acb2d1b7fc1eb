/**
 * A conversation with a server that greets and echoes: a connection that is not HTTP and has to pass through unchanged.
 */
import { connect } from 'node:net';
import { BodyCheck, wholeBody } from './body.ts';
import { splitTarget } from './client-connection.ts';
import type { ClientOutcome, ClientRecord } from './kinds.ts';

const GREETING = '220 greetings from a plain TCP service\r\n';
const ECHO_BYTES = 4_096;
const PATIENCE_MS = 30_000;

export function plainExchange(target: string, id: string): Promise<ClientRecord> {
  const sentMs = Date.now();
  return new Promise((resolve) => {
    const check = new BodyCheck(id);
    let greeting = '';
    let connected = false;
    const socket = connect({ ...splitTarget(target), noDelay: true });
    const end = (outcome: ClientOutcome, detail: string | null): void => {
      clearTimeout(timer);
      socket.removeAllListeners('close').destroy();
      resolve({
        ...{ id, sentMs, endedMs: Date.now(), outcome, code: 0, reason: null },
        ...{ backend: null, generation: null, detail },
      });
    };
    const timer = setTimeout(() => end('silent', 'no echo'), PATIENCE_MS);
    socket.on('connect', () => (connected = true));
    socket.on('error', (error: NodeJS.ErrnoException) =>
      end(connected ? 'none' : 'unconnected', error.code ?? 'error'),
    );
    socket.on('close', () => end(check.receivedBytes > 0 ? 'truncated' : 'none', 'closed'));
    socket.on('data', (chunk) => {
      const missing = GREETING.length - greeting.length;
      if (missing > 0) {
        greeting += chunk.toString('latin1', 0, missing);
        if (greeting.length === GREETING.length) socket.write(wholeBody(id, ECHO_BYTES));
      }
      check.push(chunk.subarray(missing > 0 ? missing : 0));
      if (!GREETING.startsWith(greeting) || !check.good) end('corrupt', 'other bytes');
      else if (check.receivedBytes >= ECHO_BYTES) end('answered', null);
    });
  });
}
