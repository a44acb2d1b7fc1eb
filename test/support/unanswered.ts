/**
 * An address at which no connect is answered: a listener with a full queue that never accepts, so the kernel drops
 * every further SYN. It uses only this machine, because the network around it may answer in any way.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { Worker } from 'node:worker_threads';

import type { Scope } from './wire-end.ts';

const QUEUE = 1;
/** Its thread blocks as soon as it listens. */
const LISTENER = `
  const { parentPort } = require('node:worker_threads');
  const server = require('node:net').createServer();
  server.listen({ host: '127.0.0.1', port: 0, backlog: ${QUEUE} }, () => {
    parentPort.postMessage(server.address().port);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });`;

/** A port of 127.0.0.1 that answers nothing until the scope ends. */
export async function unansweredPort(scope: Scope): Promise<number> {
  const listener = new Worker(LISTENER, { eval: true });
  scope.teardown(() => listener.terminate());
  const [port] = (await once(listener, 'message')) as [number];
  // Linux queues one more than the backlog.
  for (let i = 0; i <= QUEUE; i++) {
    const socket = connect({ host: '127.0.0.1', port });
    scope.teardown(() => socket.destroy());
    await once(socket, 'connect');
  }
  return port;
}
