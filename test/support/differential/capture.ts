/**
 * Sends inputs through the native engine and keeps what reaches the backend, connection by connection.
 *
 * Each lane has a frontend, a backend and one input at a time, so that what a backend gets belongs to an input; its
 * connections to the backend are pooled as ever. Behind each input stands a request that is answered here: its answer,
 * or the end of the connection, ends the input.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

import type { EngineHost, Outcome } from '../../../src/engine/engine.ts';
import { createNativeEngine, type NativeEngine } from '../../../src/engine/native/native-engine.ts';
import type { Backend, Decision, RequestHead } from '../../../src/routing/decision.ts';
import { loopTurns, type Scope } from '../wire-end.ts';
import { END, END_REQUEST, laneBackend, LANES, listenFor, portOf } from './lanes.ts';
import { isCommon, takeRequest, type TakenRequest } from './messages.ts';

/** After this many loop turns without a response, the connection of an input that waits for more bytes is ended. */
const PATIENCE_TURNS = 30;

/** One connection of a backend. */
export class CapturedStream {
  text = '';
  /** Bytes that were parsed as complete requests. */
  read = 0;
  readonly requests: TakenRequest[] = [];
  malformed: string | null = null;
  /** Numbers of the inputs that had a part in it. */
  readonly inputs = new Set<number>();
  readonly #socket: Socket;
  readonly #lane: Lane;
  #continued = 0;

  constructor(socket: Socket, lane: Lane) {
    this.#socket = socket;
    this.#lane = lane;
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.on('end', () => socket.end());
  }

  /** Behind the complete requests: one that did not arrive whole. */
  get rest(): string {
    return this.text.slice(this.read);
  }

  #receive(bytes: Buffer): void {
    this.text += bytes.toString('latin1');
    this.inputs.add(this.#lane.input);
    while (this.malformed === null) {
      const taken = takeRequest(this.rest);
      if (taken.state === 'malformed') {
        this.malformed = taken.why;
        this.#socket.resetAndDestroy();
        return;
      }
      if (taken.state === 'incomplete') {
        // Once for each request that expects it.
        if (taken.head && taken.expects && this.#continued <= this.requests.length) {
          this.#continued = this.requests.length + 1;
          this.#socket.write('HTTP/1.1 100 Continue\r\n\r\n');
        }
        return;
      }
      const { request } = taken;
      this.requests.push(request);
      this.read += request.text.length;
      // Answers CONNECT like a server that knows it and refuses it.
      const status = request.method === 'CONNECT' ? '405 Method Not Allowed' : '200 OK';
      // A request that not every reader accepts is the last of its connection, so that the others can be compared
      // without it.
      const last = request.closes || !isCommon(request);
      const close = last ? 'Connection: close\r\n' : '';
      this.#socket.write(`HTTP/1.1 ${status}\r\n${close}Content-Length: 0\r\n\r\n`);
      if (last) this.#socket.end();
    }
  }
}

class Lane {
  input = -1;
  port = 0;
  readonly backend: Backend;

  constructor(id: number, backendPort: number) {
    this.backend = laneBackend(id, backendPort);
  }
}

export interface Asked {
  readonly method: string;
  readonly path: string;
}

export class Capture implements EngineHost {
  readonly streams: CapturedStream[] = [];
  /** What the engine made of each input: the requests it routed. */
  readonly asked: Asked[][] = [];
  refused = 0;
  relayed = 0;
  readonly #scope: Scope;
  readonly #lanes: Lane[] = [];
  readonly #sockets = new Set<Socket>();
  #engine!: NativeEngine;

  private constructor(scope: Scope) {
    this.#scope = scope;
  }

  static async start(scope: Scope): Promise<Capture> {
    const capture = new Capture(scope);
    capture.#engine = createNativeEngine(capture, { duplicate: true, expectTimeoutMs: 20 });
    scope.teardown(() => capture.#engine.close());
    for (let id = 0; id < LANES; id++) capture.#lanes.push(await capture.#startLane(id));
    return capture;
  }

  decide(frontend: number, request: RequestHead): Decision {
    if (request.path === END) return { kind: 'local', status: 404, reason: 'no_route', series: 0 };
    const lane = this.#lanes[frontend]!;
    this.asked[lane.input]!.push({ method: request.method, path: request.path });
    return { kind: 'forward', backend: lane.backend, series: 1 };
  }

  onOutcome({ series, reason }: Outcome): void {
    if (series === 1 && reason === null) this.relayed++;
  }

  onRefused(): void {
    this.refused++;
  }

  /** Sends them all and waits until nothing is open any more. */
  async run(inputs: readonly string[]): Promise<void> {
    let next = 0;
    const work = async (lane: Lane): Promise<void> => {
      while (next < inputs.length) {
        lane.input = next++;
        this.asked[lane.input] = [];
        await this.#send(lane, inputs[lane.input]!);
      }
    };
    await Promise.all(this.#lanes.map(work));
    await this.#engine.close();
    for (const socket of this.#sockets) if (!socket.closed) await once(socket, 'close');
  }

  async #send(lane: Lane, input: string): Promise<void> {
    const socket = connect({ port: lane.port, host: '127.0.0.1', allowHalfOpen: true });
    let received = '';
    let ended = false as boolean;
    socket.on('error', () => undefined);
    socket.on('close', () => (ended = true));
    socket.on('end', () => (ended = true));
    socket.on('data', (bytes: Buffer) => (received += bytes.toString('latin1')));
    await once(socket, 'connect');
    socket.write(Buffer.from(input + END_REQUEST, 'latin1'));
    for (let turns = 0; !ended; turns++) {
      if (turns === PATIENCE_TURNS) socket.end();
      await loopTurns();
    }
    socket.destroy();
  }

  async #startLane(id: number): Promise<Lane> {
    const backend = createServer({ allowHalfOpen: true }, (socket) => {
      this.#sockets.add(socket);
      this.streams.push(new CapturedStream(socket, lane));
    });
    this.#scope.teardown(() => {
      backend.close();
      for (const socket of this.#sockets) socket.destroy();
    });
    const port = await portOf(backend);
    const lane = new Lane(id, port);
    lane.port = await listenFor(this.#scope, this.#engine, id, port);
    return lane;
  }
}
