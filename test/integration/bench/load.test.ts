/** The generator of load of `npm run bench` against servers that answer late, wrongly, or not at all; and the relay that is its floor. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { runCommand } from '../../support/cluster.ts';
import { eventually } from '../../support/eventually.ts';
import { isInstalled } from '../../support/docs/places.ts';
import { ROOT } from '../../support/manifests.ts';
import { temporaryDirectory } from '../../support/sidecar.ts';

const NATIVE = join(ROOT, 'bench', 'native');
const REQUEST = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const RESPONSE = 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n';
const missing = ['make', 'g++'].filter((name) => !isInstalled(name));
const skip = missing.length > 0 && `not installed: ${missing.join(', ')}`;

const build = temporaryDirectory();
t.teardown(build.remove);
t.before(() => {
  if (skip === false) t.equal(runCommand('make', ['-C', NATIVE, `BUILD=${build.path}`, 'all']).status, 0);
});

/** Port of a server for the time of the test. */
async function listen(t: Test, onConnection: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return (server.address() as { port: number }).port;
}

async function serverOf(t: Test, answer: (socket: Socket, requests: number) => void): Promise<number> {
  return listen(t, (socket) => {
    let rest = '';
    socket.setEncoding('latin1').on('data', (text: string) => {
      const parts = (rest + text).split('\r\n\r\n');
      rest = parts.pop()!;
      if (parts.length > 0) answer(socket, parts.length);
    });
  });
}

async function load(mode: string, port: number, flags: readonly string[], message = REQUEST, atOnce = 1) {
  const file = join(build.path, `messages-${port}`);
  writeFileSync(file, `${atOnce} ${message.length}\n${message}`);
  const to = ['--to', `127.0.0.1:${port}`, '--messages', file];
  const child = spawn(join(build.path, 'load'), [mode, ...to, ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [said, complaint] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
  const [status] = (await once(child, 'close')) as [number | null];
  const figures = JSON.parse(said === '' ? '{}' : said) as { requests?: number; p99Us?: number };
  return { status, complaint, requests: figures.requests ?? NaN, p99Us: figures.p99Us ?? NaN };
}

t.test('what a late response keeps from being sent counts from when it was to be sent', { skip }, async (t) => {
  const LATE_MS = 50;
  const port = await serverOf(t, (socket) => setTimeout(() => socket.write(RESPONSE), LATE_MS));
  // One connection bears 20 requests a second and is given 60 for half a second: the last of them leave after one second. From when each
  // really left, none would take much longer than the response is late.
  const { status, complaint, requests, p99Us } = await load('open', port, [
    '--connections',
    '1',
    '--rate',
    '60',
    '--ms',
    '500',
  ]);
  t.equal(status, 0, complaint);
  t.ok(requests > 5, `${requests} requests`);
  t.ok(p99Us > 5 * LATE_MS * 1000, `p99 ${p99Us} us`);
});

t.test('the times at which requests are to be sent do not depend on the answers', { skip }, async (t) => {
  const port = await serverOf(t, (socket) => socket.write(RESPONSE));
  const flags = ['--connections', '8', '--rate', '500', '--ms', '200'];
  const [first, second] = [await load('open', port, flags), await load('open', port, flags)];
  t.ok(first.requests > 0);
  t.equal(first.requests, second.requests, 'the same in every run');
});

t.test('responses are counted one by one, in whatever pieces they come', { skip }, async (t) => {
  let answered = 0;
  const port = await serverOf(t, (socket, requests) => {
    answered += requests;
    const all = RESPONSE.repeat(requests);
    socket.setNoDelay();
    // Within a head, within a body, and the rest.
    socket.write(all.slice(0, 9));
    setImmediate(() => {
      socket.write(all.slice(9, RESPONSE.length - 1));
      setImmediate(() => socket.write(all.slice(RESPONSE.length - 1)));
    });
  });
  const flags = ['--connections', '4', '--ms', '300'];
  const { status, complaint, requests } = await load('closed', port, flags, REQUEST.repeat(8), 8);
  t.equal(status, 0, complaint);
  // A part of the last ones comes after the end.
  t.ok(requests > answered - 8 * 2 * 4 && requests <= answered, `${requests} of ${answered}`);
});

t.test('a response that comes before the body of its request was sent', { skip }, async (t) => {
  const UPLOAD_BYTES = 4 * 1024 * 1024;
  const head = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${UPLOAD_BYTES}\r\n\r\n`;
  const upload = head + 'x'.repeat(UPLOAD_BYTES);
  for (const mode of ['closed', 'open']) {
    const flags = ['--connections', '2', '--ms', '500', '--rate', '20'];
    const starts: string[] = [];
    let connections = 0;
    const port = await listen(t, (socket) => {
      connections++;
      let at = 0;
      socket.on('data', (bytes: Buffer) => {
        for (let next = (upload.length - (at % upload.length)) % upload.length; next < bytes.length;) {
          starts.push(bytes.toString('latin1', next, next + 1));
          socket.write(RESPONSE);
          next += upload.length;
        }
        at += bytes.length;
      });
    });
    const kept = await load(mode, port, flags, upload);
    t.equal(kept.status, 0, `${mode}: ${kept.complaint}`);
    t.ok(starts.length > 2, `${mode}: ${starts.length} requests`);
    t.same(new Set(starts), new Set(['P']), `${mode}: each starts where the one before has ended`);
    t.equal(connections, 2, `${mode}: over the same connections`);

    connections = 0;
    const closing = await listen(t, (socket) => {
      connections++;
      const field = connections % 2 === 0 ? 'Connection: close' : 'connection:keep-alive, Close';
      socket.once('data', () => {
        socket.write(RESPONSE.replace('\r\n', `\r\n${field}\r\n`));
        socket.destroySoon();
      });
    });
    const closed = await load(mode, closing, flags, upload);
    t.equal(closed.status, 0, `${mode}: ${closed.complaint}`);
    t.ok(closed.requests > 2, `${mode}: ${closed.requests} requests`);
    t.ok(connections >= closed.requests, `${mode}: each has another connection`);

    // The end of a connection that was not said before its response.
    const resetting = await listen(t, (socket) => {
      socket.once('data', () => socket.write(RESPONSE, () => socket.resetAndDestroy()));
    });
    const reset = await load(mode, resetting, flags, upload);
    t.equal(reset.status, 1, `${mode}: a reset after a response that was not the last one`);
  }
});

t.test('a response that is none, an error or an end makes it fail', { skip }, async (t) => {
  for (const [title, answer] of [
    ['an error', (socket: Socket) => socket.write('HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n')],
    ['no length', (socket: Socket) => socket.write('HTTP/1.1 200 OK\r\n\r\n')],
    ['more than was asked for', (socket: Socket) => socket.write(RESPONSE.repeat(2))],
    ['the end', (socket: Socket) => socket.end()],
  ] as const) {
    const port = await serverOf(t, answer);
    for (const mode of ['closed', 'open']) {
      const { status, complaint } = await load(mode, port, ['--ms', '1000', '--rate', '100']);
      t.equal(status, 1, `${title}, ${mode}`);
      t.match(complaint, /a connection failed, or what came was no response/);
    }
  }
});

/** Ports of the three ways of a floor in front of that server. */
async function floorOf(t: Test, port: number): Promise<number[]> {
  const flags = ['--to', `127.0.0.1:${port}`, '--copy', '0', '--close', '0', '--splice', '0'];
  const child = spawn(join(build.path, 'floor'), flags, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  const ports = () => [...said.matchAll(/^listening (\d+)\n/gm)].map(([, text]) => Number(text));
  await eventually('the floor listens', () => ports().length === 3);
  return ports();
}

t.test('the floor carries requests and responses in each of its ways', { skip }, async (t) => {
  const served = new Set<Socket>();
  const port = await serverOf(t, (socket, requests) => {
    served.add(socket);
    socket.write(RESPONSE.replace('\r\n', '\r\nConnection: keep-alive\r\n').repeat(requests));
  });
  const [copy, close, splice] = await floorOf(t, port);
  for (const each of [copy!, splice!]) {
    const { status, complaint, requests } = await load('closed', each, ['--connections', '4', '--ms', '200']);
    t.equal(status, 0, complaint);
    t.ok(requests > 0);
  }
  served.clear();
  const closing = REQUEST.replace('\r\n', '\r\nConnection: close\r\n');
  const flags = ['--connections', '4', '--ms', '500', '--close'];
  const { status, complaint, requests } = await load('closed', close!, flags, closing);
  t.equal(status, 0, complaint);
  t.ok(requests > 0 && served.size <= 4 + 4, `${requests} requests over ${served.size} connections to the server`);
});

t.test('the floor goes on when clients leave in the middle of a response', { skip }, async (t) => {
  const BYTES = 8 * 1024 * 1024;
  const body = 'x'.repeat(BYTES);
  const port = await serverOf(t, (socket) =>
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${BYTES}\r\n\r\n${body}`),
  );
  const [copy, , splice] = await floorOf(t, port);
  for (const each of [copy!, splice!]) {
    for (let number = 0; number < 5; number++) {
      const client = connect(each, '127.0.0.1').on('error', () => undefined);
      const closed = new Promise((resolve) => client.once('close', resolve));
      client.write(REQUEST);
      await once(client, 'data');
      // It says that it has ended, and then that it takes no more: the answer to that would be SIGPIPE.
      await new Promise<void>((resolve) => client.pause().end(resolve));
      client.resetAndDestroy();
      await closed;
    }
    const { status, complaint } = await load('ready', each, []);
    t.equal(status, 0, complaint);
  }
});
