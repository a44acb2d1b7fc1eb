/**
 * Sends inputs as responses to clients of the native engine, and records what reaches them.
 *
 * Each lane has a frontend, a backend and one input at a time. Each request is followed by another one that is answered
 * locally: its response, or the end of the connection, marks the end of the input.
 */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

import type { EngineHost } from '../../../src/engine/engine.ts';
import { createNativeEngine, type NativeEngine } from '../../../src/engine/native/native-engine.ts';
import type { Backend, Decision, RequestHead } from '../../../src/routing/decision.ts';
import type { Scope } from '../wire-end.ts';
import { END, END_REQUEST, laneBackend, LANES, listenFor, portOf } from './lanes.ts';

const END_REPLY = /HTTP\/1\.1 404 Not Found\r\nContent-Type: [^\r]*\r\nx-sideroute-reason: no_route\r\n[^]*$/;

export interface AnsweredInput {
  readonly method: 'GET' | 'HEAD' | 'POST';
  /** What the backend writes before it ends the connection. */
  readonly answer: string;
}

export interface CapturedResponse {
  readonly input: AnsweredInput;
  /** What the client received, without the answer to the request behind. */
  readonly text: string;
  /** The connection has carried that answer. */
  readonly inStep: boolean;
}

interface Lane {
  readonly backend: Backend;
  readonly port: number;
  answer: string;
}

export class ResponseCapture implements EngineHost {
  relayed = 0;
  readonly #scope: Scope;
  readonly #lanes: Lane[] = [];
  #engine!: NativeEngine;

  private constructor(scope: Scope) {
    this.#scope = scope;
  }

  static async start(scope: Scope): Promise<ResponseCapture> {
    const capture = new ResponseCapture(scope);
    capture.#engine = createNativeEngine(capture, { duplicate: true });
    scope.teardown(() => capture.#engine.close());
    for (let id = 0; id < LANES; id++) capture.#lanes.push(await capture.#startLane(id));
    return capture;
  }

  decide(frontend: number, request: RequestHead): Decision {
    if (request.path === END) return { kind: 'local', status: 404, reason: 'no_route', series: 0 };
    return { kind: 'forward', backend: this.#lanes[frontend]!.backend, series: 1 };
  }

  onOutcome({ series, reason }: Parameters<EngineHost['onOutcome']>[0]): void {
    if (series === 1 && reason === null) this.relayed++;
  }

  onRefused(): void {
    throw new Error('a plain request was refused');
  }

  async run(inputs: readonly AnsweredInput[]): Promise<CapturedResponse[]> {
    const captured: CapturedResponse[] = [];
    let next = 0;
    const work = async (lane: Lane): Promise<void> => {
      while (next < inputs.length) {
        const number = next++;
        captured[number] = await this.#ask(lane, inputs[number]!);
      }
    };
    await Promise.all(this.#lanes.map(work));
    return captured;
  }

  async #ask(lane: Lane, input: AnsweredInput): Promise<CapturedResponse> {
    lane.answer = input.answer;
    const socket = connect(lane.port, '127.0.0.1');
    let text = '';
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')));
    const body = input.method === 'POST' ? 'Content-Length: 5\r\n\r\nhello' : '\r\n';
    socket.write(`${input.method} /r HTTP/1.1\r\nHost: a\r\n${body}${END_REQUEST}`);
    await once(socket, 'close');
    const response = text.replace(END_REPLY, '');
    return { input, text: response, inStep: response.length < text.length };
  }

  async #startLane(id: number): Promise<Lane> {
    const backend = createServer((socket) => {
      socket.on('error', () => undefined);
      let text = '';
      socket.on('data', (bytes: Buffer) => {
        text += bytes.toString('latin1');
        if (/\r\n\r\n(?:hello)?$/.test(text)) socket.end(Buffer.from(lane.answer, 'latin1'));
      });
    });
    this.#scope.teardown(() => backend.close());
    const port = await portOf(backend);
    const front = await listenFor(this.#scope, this.#engine, id, port);
    const lane: Lane = { backend: laneBackend(id, port), port: front, answer: '' };
    return lane;
  }
}
