/**
 * The stage for the cases of docs/safety-cases.md: a raw client, the native engine, a scripted backend, and a runner
 * for cases with one request each. All bytes are Latin-1 strings.
 */
import { STATUS_CODES } from 'node:http';

import type { Test } from 'tap';

import type { NativeEngine, NativeEngineOptions } from '../../src/engine/native/native-engine.ts';
import type { EngineHost, Outcome } from '../../src/engine/engine.ts';
import { REQUEST_REASONS, type RequestReason } from '../../src/errors.ts';
import type { Backend, Decision, RequestHead } from '../../src/routing/decision.ts';
import { nativeFront } from './native-front.ts';
import { dial, inScope, loopTurns, ScriptedBackend, type EndState, type Scope, type WireEnd } from './wire-end.ts';

export const SERIES = 3;
/** Only shows that the connection is still in step: answered locally, without the backend. */
export const NEXT = 'GET /next HTTP/1.1\r\nHost: next\r\n\r\n';
/** Sent after everything that is refused: it must not be served, and must not go upstream. */
export const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: smuggled\r\n\r\n';
export const NO_CONTENT = 'HTTP/1.1 204 No Content\r\n\r\n';

/** The whole local reply, with Date as `maskDate` writes it. */
export function localReply(reason: RequestReason, options: { close?: boolean; head?: boolean } = {}): string {
  const { status, text } = REQUEST_REASONS[reason];
  const body = `${text}\n`;
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]!}`,
    'Content-Type: text/plain; charset=utf-8',
    `x-sideroute-reason: ${reason}`,
    'Date: *',
    `Content-Length: ${body.length}`,
    ...(options.close === true ? ['Connection: close'] : []),
    '',
    options.head === true ? '' : body,
  ].join('\r\n');
}

export const BAD_REQUEST = localReply('bad_request', { close: true });
export const NEXT_REPLY = localReply('no_route');

export function maskDate(text: string): string {
  return text.replaceAll(
    /\r\nDate: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n/g,
    '\r\nDate: *\r\n',
  );
}

/**
 * A message with adjacent chunks joined to one: the number of chunks depends on how the body arrived, everything else
 * does not. Bytes that are not a complete chunk stay unchanged.
 */
export function joinChunks(text: string): string {
  const bodyAt = text.indexOf('\r\n\r\n') + 4;
  if (bodyAt < 4 || !/\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r\n/i.test(text.slice(0, bodyAt))) return text;
  let at = bodyAt;
  let payload = '';
  for (;;) {
    const line = /^([0-9a-f]+)\r\n/.exec(text.slice(at, at + 20));
    const size = Number.parseInt(line?.[1] ?? '0', 16);
    if (size === 0) break;
    const dataAt = at + line![0].length;
    if (text.slice(dataAt + size, dataAt + size + 2) !== '\r\n') break;
    payload += text.slice(dataAt, dataAt + size);
    at = dataAt + size + 2;
  }
  return text.slice(0, bodyAt) + (payload === '' ? '' : chunk(payload)) + text.slice(at);
}

export function chunk(data: string): string {
  return `${data.length.toString(16)}\r\n${data}\r\n`;
}

/** One request as `decide` saw it. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly host: string | null;
  readonly fields: Readonly<Record<string, string | null>>;
}

/** Engine, backend, and what the engine reported. */
export class Stage implements EngineHost {
  readonly asked: Asked[] = [];
  readonly outcomes: Outcome[] = [];
  readonly refused: RequestReason[] = [];
  /** Names that `asked` records beside Host. */
  readonly look: string[] = [];
  decision: () => Decision;
  readonly backend: ScriptedBackend;
  readonly target: Backend;
  engine!: NativeEngine;
  private port = 0;
  private readonly scope: Scope;

  private constructor(scope: Scope, backend: ScriptedBackend) {
    this.scope = scope;
    this.backend = backend;
    this.target = {
      namespace: 'ns',
      name: 'svc',
      port: backend.port,
      key: `ns/svc:${backend.port}`,
      id: 0,
      addresses: ['127.0.0.1'],
      state: 'resolved',
    };
    const forward: Decision = { kind: 'forward', backend: this.target, series: SERIES };
    this.decision = () => forward;
  }

  static async start(scope: Scope, options: NativeEngineOptions = {}): Promise<Stage> {
    const stage = new Stage(scope, await ScriptedBackend.listen(scope));
    const front = await nativeFront(options)(stage, { address: '127.0.0.1', port: stage.backend.port });
    scope.teardown(() => front.close());
    stage.engine = front.engine;
    stage.port = front.port;
    return stage;
  }

  connect(): Promise<WireEnd> {
    return dial(this.scope, '127.0.0.1', this.port);
  }

  decide(_frontend: number, request: RequestHead): Decision {
    if (request.path === '/next') return { kind: 'local', status: 404, reason: 'no_route', series: 0 };
    const { method, path, query } = request;
    const fields = Object.fromEntries(this.look.map((name) => [name, request.header(name)]));
    this.asked.push({ method, path, query, host: request.header('host'), fields });
    return this.decision();
  }

  onOutcome(outcome: Outcome): void {
    if (outcome.series === SERIES) this.outcomes.push({ ...outcome });
  }

  onRefused(_frontend: number, reason: RequestReason): void {
    this.refused.push(reason);
  }

  /** `answer` once the upstream connection has received `request`, chunks joined. */
  answerWhen(request: string, answer: (end: WireEnd) => void): void {
    let answered = false;
    this.backend.onBytes = (end) => {
      if (answered || joinChunks(end.text) !== request) return;
      answered = true;
      answer(end);
    };
  }

  /** The client's connection carries another request, and nothing came before its response but `expected`. */
  async stillInStep(t: Test, client: WireEnd, expected: string): Promise<void> {
    const wanted = expected + NEXT_REPLY;
    client.send(NEXT);
    await client.untilHolds('the response to the request behind', () => {
      return client.state !== 'open' || maskDate(client.text).length >= wanted.length;
    });
    // Extra bytes from the engine would have arrived by now, with the awaited ones.
    t.equal(
      maskDate(client.text),
      wanted,
      'the client received exactly this, and then the response to another request',
    );
    t.equal(client.state, 'open', 'the connection goes on');
  }
}

/**
 * How the bytes of a case arrive. `reused`: at once, after another request, with an idle upstream connection available.
 */
export type Way = 'whole' | 'in two parts' | 'byte by byte' | 'reused';
export const WAYS: readonly Way[] = ['whole', 'in two parts', 'byte by byte', 'reused'];

/** One request and its expected result. */
export interface Input {
  /** What the input tests. */
  readonly name: string;
  readonly send: string;
  /** Null: nothing reaches the backend. Chunks joined. */
  readonly upstream: string | null;
  /** The upstream connection is torn down. Default false. */
  readonly upstreamCut?: boolean;
  /** What the backend writes when it has `upstream`. Default `204 No Content`. */
  readonly answer?: string;
  /** Then the backend ends its side. */
  readonly answerEnds?: 'fin' | 'reset';
  /** Chunks joined, Date masked. Default: `answer`. */
  readonly client?: string;
  /** Default `open`. */
  readonly clientEnd?: EndState;
  readonly outcome?: { readonly status: number; readonly reason: RequestReason | null };
  readonly ways?: readonly Way[];
  readonly options?: NativeEngineOptions;
  /** What `decide` was told. */
  readonly asked?: Partial<Asked>;
}

export interface Row {
  /** Literally, with the number of the case in front, for the table in docs. */
  readonly title: string;
  readonly inputs: readonly Input[];
}

/** Refused before anything goes upstream: with 400, or with `reason`. */
export function refused(
  name: string,
  send: string,
  reason: RequestReason = 'bad_request',
  more?: Partial<Input>,
): Input {
  return {
    name,
    send: send + SMUGGLED,
    upstream: null,
    client: localReply(reason, { close: true }),
    clientEnd: 'fin',
    ...more,
  };
}

/** Forwarded as `upstream` and answered with 204, unless `more` says otherwise. */
export function forwarded(name: string, send: string, upstream: string, more?: Partial<Input>): Input {
  return { name, send, upstream, ...more };
}

/**
 * A request with a valid head, which is forwarded, and an invalid body: 400, and the upstream sees that the body is
 * incomplete.
 */
export function brokenBody(name: string, send: string, upstream: string, more?: Partial<Input>): Input {
  return {
    name,
    send: send + SMUGGLED,
    upstream,
    upstreamCut: true,
    client: BAD_REQUEST,
    clientEnd: 'fin',
    outcome: { status: 400, reason: 'bad_request' },
    ...more,
  };
}

/** A response that is not valid HTTP: 502, and its connection is not reused. */
export function badResponse(name: string, answer: string, more?: Partial<Input>): Input {
  const head = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
  return {
    name,
    send: head,
    upstream: head,
    upstreamCut: true,
    answer,
    client: localReply('upstream_protocol'),
    outcome: { status: 502, reason: 'upstream_protocol' },
    ...more,
  };
}

export function parts(bytes: string, way: Way): readonly string[] {
  if (way === 'byte by byte') return bytes.split('');
  if (way !== 'in two parts' || bytes.length < 2) return [bytes];
  const middle = bytes.length >> 1;
  return [bytes.slice(0, middle), bytes.slice(middle)];
}

/**
 * Runs each input in each way; the request is split, or with `splitting: 'answer'` the response. All observations are
 * one object and one assertion, because thousands of them must be fast.
 */
export async function runRows(
  t: Test,
  rows: readonly Row[],
  splitting: 'request' | 'answer' = 'request',
): Promise<void> {
  for (const row of rows) {
    await t.test(row.title, async (t) => {
      for (const input of row.inputs) {
        for (const way of input.ways ?? WAYS) {
          const name = `${input.name}, ${way}`;
          try {
            t.strictSame(await inScope((scope) => observe(scope, input, way, splitting)), expected(input), name);
          } catch (error) {
            t.fail(`${name}: ${error instanceof Error ? error.message : String(error)}`);
            // An input that hangs once hangs in every way.
            return;
          }
        }
      }
    });
  }
}

interface Observed {
  /** All that the client received, chunks joined and Date masked. */
  readonly client: string;
  /** How its connection ended; `open`: it has carried the response to another request. */
  readonly clientEnd: EndState;
  /** All that the backend received, chunks joined; empty when there was no connection, and null when there were two. */
  readonly upstream: string | null;
  readonly outcomes: readonly { readonly status: number; readonly reason: RequestReason | null }[];
  readonly refused: readonly RequestReason[];
  readonly asked: Partial<Asked>;
}

function expected(input: Input): Observed {
  const { upstream, answer = NO_CONTENT, client = answer } = input;
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
  const reason = /\r\nx-sideroute-reason: (\w+)\r\n/.exec(client)?.[1] as RequestReason | undefined;
  return {
    client,
    clientEnd: input.clientEnd ?? 'open',
    upstream: upstream ?? '',
    outcomes: upstream === null ? [] : [input.outcome ?? { status, reason: null }],
    // A request that is refused before it is routed has no outcome.
    refused: upstream === null ? [reason!] : [],
    asked: input.asked ?? {},
  };
}

async function observe(scope: Scope, input: Input, way: Way, splitting: 'request' | 'answer'): Promise<Observed> {
  const stage = await Stage.start(scope, input.options);
  const client = await stage.connect();
  if (way === 'reused') await warm(stage, client);

  const { upstream, answer = NO_CONTENT } = input;
  if (upstream !== null && (input.upstreamCut !== true || input.answer !== undefined)) {
    stage.answerWhen(upstream, (end) => {
      void end.sendApart(parts(answer, splitting === 'answer' ? way : 'whole')).then(() => {
        if (input.answerEnds === 'fin') end.socket.end();
        if (input.answerEnds === 'reset') end.socket.resetAndDestroy();
      });
    });
  }
  await client.sendApart(parts(input.send, splitting === 'request' ? way : 'whole'));

  const received = () => maskDate(joinChunks(client.text));
  const response = () => `the response; the backend has ${JSON.stringify(stage.backend.connections[0]?.text ?? null)}`;
  let text: string;
  if ((input.clientEnd ?? 'open') === 'open') {
    const { client: wanted = answer } = input;
    await client.untilHolds(response, () => client.state !== 'open' || received().length >= wanted.length);
    text = received();
    client.forget();
    client.send(NEXT);
    await client.untilHolds('the response behind', () => {
      return client.state !== 'open' || maskDate(client.text).length >= NEXT_REPLY.length;
    });
    // In step: nothing but that response. Otherwise it is shown among the extra bytes.
    if (maskDate(client.text) !== NEXT_REPLY) text += maskDate(client.text);
  } else {
    await client.untilEnd();
    text = received();
  }
  if (upstream !== null && input.upstreamCut === true) await (await stage.backend.connection(0)).untilEnd();
  const connects = stage.engine.counters().upstreamConnects;
  const most = upstream === null && way !== 'reused' ? 0 : 1;
  return {
    client: text,
    clientEnd: client.state,
    upstream: connects > most ? null : joinChunks(stage.backend.connections[0]?.text ?? ''),
    outcomes: stage.outcomes.map(({ status, reason }) => ({ status, reason })),
    refused: stage.refused,
    asked: Object.fromEntries(
      Object.keys(input.asked ?? {}).map((name) => [name, stage.asked[0]?.[name as keyof Asked]]),
    ),
  };
}

/**
 * Sends one request through, so that the client's connection is not new and the upstream connection is idle in the
 * pool.
 */
export async function warmUp(t: Test, stage: Stage, client: WireEnd): Promise<WireEnd> {
  const end = await warm(stage, client);
  t.equal(stage.engine.counters().upstreamIdle, 1);
  return end;
}

async function warm(stage: Stage, client: WireEnd): Promise<WireEnd> {
  const request = 'GET /warm HTTP/1.1\r\nHost: warm\r\n\r\n';
  stage.answerWhen(request, (end) => end.send(NO_CONTENT));
  client.send(request);
  await client.untilBytes(NO_CONTENT.length);
  if (client.text !== NO_CONTENT) throw new Error(`the first request was answered ${JSON.stringify(client.text)}`);
  while (stage.outcomes.length === 0) await loopTurns();
  const end = await stage.backend.connection(0);
  end.forget();
  client.forget();
  stage.outcomes.length = 0;
  stage.asked.length = 0;
  return end;
}
