/**
 * Independent readers of responses: Node's HTTP client, Python's http.client, and HAProxy as the client of a server
 * that sends them.
 */
import { spawn } from 'node:child_process';
import { request, type ClientRequest, type RequestOptions } from 'node:http';
import { createServer } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

import { packageRoot } from '../../../src/package-root.ts';
import type { Scope } from '../wire-end.ts';
import { startHaproxy } from './haproxy.ts';
import { each, portOf } from './lanes.ts';
import { bodyOf } from './messages.ts';
import { Recorded } from './request-readers.ts';
import type { ReadResponse } from './response-messages.ts';

export interface Answer {
  readonly method: string;
  /** All that came, Latin-1; the connection ended behind it. */
  readonly text: string;
}

export interface ResponseReader {
  readonly name: string;
  /** Whether what it makes of such a response counts. */
  counts(response: ReadResponse): boolean;
  read(answers: readonly Answer[]): Promise<ReadResponse[]>;
}

const NOTHING: ReadResponse = { interim: [], status: 0, framing: 'none', body: '' };

function framingOf(method: string, status: number, coding: string | undefined, length: string | undefined): string {
  if (method === 'HEAD' || status === 204 || status === 304) return 'none';
  if (coding !== undefined) return coding === 'chunked' && length === undefined ? 'chunked' : `coding ${coding}`;
  return length === undefined ? 'close' : `length:${length}`;
}

/** `framing`: how the client reports the framing of the head. */
async function ask(
  options: RequestOptions,
  framing: (status: number, headers: NodeJS.Dict<string | string[]>) => string,
): Promise<ReadResponse> {
  const interim: number[] = [];
  const client: ClientRequest = request(options);
  client.on('information', ({ statusCode }) => interim.push(statusCode));
  return new Promise((resolve) => {
    client.on('error', () => resolve({ ...NOTHING, interim }));
    client.on('response', (response) => {
      const chunks: Buffer[] = [];
      const status = response.statusCode!;
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', () => undefined);
      response.on('close', () => {
        const body = response.complete ? bodyOf(Buffer.concat(chunks)) : '';
        resolve({ interim, status, framing: framing(status, response.headers), body });
      });
    });
    client.end();
  });
}

/** `node:http`, in its strict mode, which is the default. */
export const nodeResponseReader: ResponseReader = {
  name: "Node's client",
  counts: () => true,
  read: (answers) =>
    each(answers, 16, ({ method, text }) => {
      const socket = new Recorded();
      socket.give(text);
      socket.give(null);
      return ask({ method, createConnection: () => socket, maxHeaderSize: 1024 * 1024 }, (status, headers) =>
        framingOf(
          method,
          status,
          headers['transfer-encoding'] as string | undefined,
          headers['content-length'] as string | undefined,
        ),
      );
    }),
};

/** http.client. */
export const pythonResponseReader: ResponseReader = {
  name: 'Python',
  counts: () => true,
  read: async (answers) => {
    const script = fileURLToPath(new URL('test/fixtures/differential/read-responses.py', packageRoot()));
    const child = spawn('python3', [script], { stdio: ['pipe', 'pipe', 'inherit'] });
    const output = buffer(child.stdout);
    for (const { method, text } of answers) {
      child.stdin.write(Buffer.from(`${method} ${text.length}\n${text}`, 'latin1'));
    }
    child.stdin.end();
    const lines = (await output).toString('utf8').split('\n').slice(0, -1);
    return lines.map((line) => {
      const [interim, status, framing, body] = JSON.parse(line) as [number[], number, string, string];
      return { interim, status, framing, body };
    });
  },
};

export async function haproxyResponseReader(scope: Scope): Promise<ResponseReader> {
  let current: readonly Answer[] = [];
  const replay = createServer((socket) => {
    let head = '';
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      head += bytes.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      const number = Number(/^\S+ \/(\d+) /.exec(head)![1]);
      socket.end(Buffer.from(current[number]!.text, 'latin1'));
    });
  });
  scope.teardown(() => replay.close());
  const port = await portOf(replay);
  const path = await startHaproxy(
    scope,
    (socket) => `frontend read
  bind unix@${socket}
  default_backend replay
backend replay
  retries 0
  http-reuse never
  option http-server-close
  http-response set-header x-read "te=%[res.fhdr(transfer-encoding)] cl=%[res.fhdr(content-length)]"
  server replay 127.0.0.1:${port}
`,
  );
  return {
    name: 'HAProxy',
    // After an interim response HAProxy 2.6 treats a truncated body as complete.
    counts: ({ interim, body }) => interim.length === 0 || body !== '',
    read: (answers) => {
      current = answers;
      return each([...answers.keys()], 16, (number) => {
        const { method } = answers[number]!;
        return ask({ method, socketPath: path, path: `/${number}`, agent: false }, (status, headers) => {
          const read = /^te=(.*) cl=(.*)$/.exec(String(headers['x-read']));
          if (read === null) return 'refused';
          return framingOf(method, status, read[1] === '' ? undefined : read[1], read[2] === '' ? undefined : read[2]);
        });
      });
    },
  };
}
