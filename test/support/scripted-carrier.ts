/**
 * A carrier of outer streams that is controlled by a test: it records what it is told to write, and accepts or refuses
 * it.
 *
 *     const { carrier, backend, host } = await carry(t);
 *     carrier.start('GET / HTTP/1.1\r\nHost: a\r\n\r\n');       // a stream with the lowest number that is free
 *     ...
 *     t.equal(carrier.text(0), '200 OK\r\nX: 1|5|hello$');       // head, length, body, and how it ended
 */
import type { Test } from 'tap';

import { LENGTH, OUTBOX_BODY, PART, START, HEAD_TEXT, type OuterStreams } from '../../src/addon/outer-streams.ts';
import {
  createNativeEngine,
  type NativeEngine,
  type NativeEngineOptions,
} from '../../src/engine/native/native-engine.ts';
import type { Decision, RequestHead } from '../../src/routing/decision.ts';
import { forwardTo, FRONTEND, RecordingHost } from './engine-cases.ts';
import { eventually } from './eventually.ts';
import { ScriptedBackend } from './wire-end.ts';

export class ScriptedCarrier {
  readonly streams: OuterStreams;
  /** What each stream was told: heads with lengths, bodies, `$` with the last byte (`!` if the connection closes), `#` for a reset. */
  private readonly told = new Map<number, string>();
  readonly resumed: number[] = [];
  /** Whether what is sent is taken at once. */
  takes = true;
  /** Done in every `send`, before it is answered. */
  onSend: (stream: number) => void = () => undefined;

  constructor(engine: NativeEngine) {
    this.streams = engine.carry({
      send: (stream, flags, headBytes, bodyBytes, length, own) => {
        const bytes = Buffer.from((own ?? this.streams.outbox).buffer);
        const bodyAt = own === undefined ? OUTBOX_BODY : headBytes;
        let text = '';
        if (headBytes > 0)
          text += `${bytes.toString('latin1', 0, headBytes)}|${length === LENGTH.unknown ? '?' : length}|`;
        text += bytes.toString('latin1', bodyAt, bodyAt + bodyBytes);
        if ((flags & PART.last) !== 0) text += (flags & PART.close) !== 0 ? '$!' : '$';
        this.tell(stream, text);
        this.onSend(stream);
        return this.takes;
      },
      resume: (stream) => this.resumed.push(stream),
      reset: (stream) => this.tell(stream, '#'),
    });
    this.streams.setCaller(0, FRONTEND, '127.0.0.1', 80);
  }

  /** Of a request without a body. */
  start(head: string, stream = 0, text: number = HEAD_TEXT.decoded): number {
    this.told.delete(stream);
    return this.streams.start(stream, 0, head, text, undefined, true);
  }

  startWithBody(head: string, body: string | Uint8Array, last: boolean, stream = 0): number {
    this.told.delete(stream);
    return this.streams.start(stream, 0, head, HEAD_TEXT.decoded, buffer(body), last);
  }

  body(bytes: string | Uint8Array, last: boolean, stream = 0): boolean {
    return this.streams.body(stream, buffer(bytes), last);
  }

  text(stream = 0): string {
    return this.told.get(stream) ?? '';
  }

  /** Waits until the stream has been told that. */
  async until(wanted: string, stream = 0): Promise<void> {
    await eventually(`${JSON.stringify(wanted)} of stream ${stream}`, () => this.text(stream).includes(wanted));
  }

  private tell(stream: number, text: string): void {
    this.told.set(stream, this.text(stream) + text);
  }
}

function buffer(bytes: string | Uint8Array): ArrayBuffer {
  return Uint8Array.from(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes).buffer;
}

export interface Carried {
  readonly carrier: ScriptedCarrier;
  readonly engine: NativeEngine;
  readonly backend: ScriptedBackend;
  readonly host: RecordingHost;
}

export async function carry(
  t: Test,
  options: NativeEngineOptions = {},
  decide: (request: RequestHead, port: number) => Decision = (_request, port) => forwardTo(port),
): Promise<Carried> {
  const backend = await ScriptedBackend.listen(t);
  const host = new RecordingHost((request) => decide(request, backend.port));
  const engine = createNativeEngine(host, options);
  t.teardown(() => engine.close());
  return { carrier: new ScriptedCarrier(engine), engine, backend, host };
}

export { START, HEAD_TEXT };
