/**
 * An address at which no connect is answered: a listener whose queue is full and that never accepts, so that the kernel drops every further
 * SYN. Nothing outside of the machine is asked, whose network may answer as it likes.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { Worker } from 'node:worker_threads';

import type { Scope } from './wire-end.ts';

const QUEUE = 1;
/** Its thread stands still as soon as it listens. */
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
  // Linux takes one more than it is told.
  for (let i = 0; i <= QUEUE; i++) {
    const socket = connect({ host: '127.0.0.1', port });
    scope.teardown(() => socket.destroy());
    await once(socket, 'connect');
  }
  return port;
}
