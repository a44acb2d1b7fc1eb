/**
 * The `uws` engine: uWebSockets.js serves the downstream connections, and the native engine carries out the exchange
 * and the connections to backends. It serves to compare the native engine's handling of downstream connections with an
 * independent implementation.
 *
 * Stage before: the acceptor, whose gate admits a connection only when its first head is complete, strictly valid and
 * of a kind this engine carries. Stage after: the native engine, which decides, forwards, counts and logs. One uWS app
 * serves one original destination, because uWS does not tell a handler by other means which connection a request
 * belongs to. uWS never frees an app, so an app without connections is reused for the next destination.
 *
 * Limits of uWS: no chunked request bodies, Upgrade, Expect, HTTP/1.0, trailers or 1xx; pipelining closes the
 * connection; half-close aborts; idle connections are closed after 10 s; a response head is sent with its first body
 * byte; field names of requests are in lower case; Date is written by the proxy, which is the only part of a decision
 * that this engine cannot carry out (`limits.ts`).
 */
import { closeSync, fstatSync } from 'node:fs';

import { OUTBOX_BODY, PART, START, HEAD_TEXT, type OuterStreams } from '../../addon/outer-streams.ts';
import { ProxyError } from '../../errors.ts';
import { loadUws, type UwsApp, type UwsLibrary, type UwsRequest, type UwsResponse } from '../../uws-library/library.ts';
import type { Engine, RoutedConnection } from '../engine.ts';
import type { NativeEngine } from '../native/native-engine.ts';
import { HeadText, isAscii, readBytes } from './head-text.ts';
import { UwsStream, type StreamOwner } from './uws-stream.ts';

/** Below the 8 s after which uWS may close a slow upload or a stalled reader. */
const REFRESH_INTERVAL_MS = 3_000;
/** Beyond this number of apps, one without connections is reused before another is created. An app takes 27 KiB. */
const MAX_IDLE_APPS = 256;
const DRAIN_POLL_MS = 20;
/** A connection without activity for this long is idle, since its first head was complete when it was adopted. */
const DRAIN_QUIET_MS = 100;

export interface UwsEngineOptions {
  readonly maxHeadBytes: number;
  /** Called with every change of `connections`. */
  readonly onConnections?: ((connections: number) => void) | undefined;
}

/** An app and the destination it serves now. */
interface Slot {
  readonly app: UwsApp;
  /** The number of this destination in the addon. */
  readonly caller: number;
  key: string;
  frontend: number;
  connections: number;
  inFlight: number;
  /** Time of the last adopted connection; while draining, also the time when a request ended or the drain began. */
  lastUsedMs: number;
}

/**
 * `native` carries the requests out. It must be closed after this engine.
 *
 * @throws ProxyError `uws-unavailable` when the binary cannot be loaded
 */
export async function createUwsEngine(native: NativeEngine, options: Partial<UwsEngineOptions> = {}): Promise<Engine> {
  return new UwsEngine(await loadUws(options.maxHeadBytes), native, options);
}

class UwsEngine implements Engine, StreamOwner {
  readonly name = 'uws';
  readonly streams: OuterStreams;
  private open = 0;
  private draining = false;
  private readonly uws: UwsLibrary;
  private readonly native: NativeEngine;
  private readonly onConnections: (connections: number) => void;
  private readonly slots = new Map<string, Slot>();
  /** Both arrays are indexed by the numbers the addon uses. */
  private readonly callers: Slot[] = [];
  private readonly running: (UwsStream | null)[] = [];
  private readonly freeNumbers: number[] = [];
  private readonly head = new HeadText();
  private readonly heads: Windows;
  private readonly bodies: Windows;
  private readonly refresher: NodeJS.Timeout;

  constructor(uws: UwsLibrary, native: NativeEngine, options: Partial<UwsEngineOptions>) {
    this.uws = uws;
    this.native = native;
    this.onConnections = options.onConnections ?? (() => undefined);
    this.streams = native.carry({
      send: (number, flags, headBytes, bodyBytes, length, own) =>
        this.send(number, flags, headBytes, bodyBytes, length, own),
      resume: (number) => this.on(number, (stream) => stream.resume()),
      reset: (number) => this.on(number, (stream) => stream.reset()),
    });
    this.heads = new Windows(this.streams.outbox, 0);
    this.bodies = new Windows(this.streams.outbox, OUTBOX_BODY);
    this.refresher = setInterval(() => {
      for (const stream of this.running) stream?.refresh();
    }, REFRESH_INTERVAL_MS).unref();
  }

  get connections(): number {
    return this.open;
  }

  *frontendsInUse(): Iterable<number> {
    for (const { connections, inFlight, frontend } of this.slots.values())
      if (connections + inFlight > 0) yield frontend;
  }

  /**
   * @throws ProxyError `bad-descriptor` for a descriptor with which uWS would end the process; the descriptor is left
   * alone
   */
  adopt(connection: RoutedConnection): void {
    if (!isSocket(connection.fd)) {
      throw new ProxyError('bad-descriptor', `file descriptor ${connection.fd} is not an open socket`);
    }
    let slot: Slot;
    try {
      slot = this.slotFor(connection);
    } catch (error) {
      closeSync(connection.fd);
      throw error;
    }
    slot.lastUsedMs = performance.now();
    slot.app.adoptSocket(connection.fd);
  }

  /** The native engine drains as well: it may have been told by its other owner, so it is told again here. */
  async drain(deadlineMs: number): Promise<void> {
    void this.native.drain(deadlineMs);
    const beginMs = performance.now();
    const endMs = beginMs + deadlineMs;
    this.draining = true;
    for (const slot of this.slots.values()) slot.lastUsedMs = beginMs;
    while (this.connections > 0) {
      const nowMs = performance.now();
      if (nowMs >= endMs) this.streams.cut();
      for (const slot of this.slots.values()) {
        const quiet = slot.inFlight === 0 && nowMs - slot.lastUsedMs > DRAIN_QUIET_MS;
        if (slot.connections > 0 && (quiet || nowMs >= endMs)) slot.app.close();
      }
      if (nowMs >= endMs) break;
      await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
    }
  }

  close(): Promise<void> {
    clearInterval(this.refresher);
    // A downstream that has received nothing of its response yet gets a reply with the reason.
    this.streams.cut();
    for (const slot of this.slots.values()) slot.app.close();
    return Promise.resolve();
  }

  onEnded(stream: UwsStream): void {
    const slot = this.callers[stream.caller]!;
    slot.inFlight--;
    if (this.draining) slot.lastUsedMs = performance.now();
    this.running[stream.number] = null;
    this.freeNumbers.push(stream.number);
  }

  /** Hot path. */
  private send(
    number: number,
    flags: number,
    headBytes: number,
    bodyBytes: number,
    length: number,
    own: Uint8Array | undefined,
  ): boolean {
    const stream = this.running[number];
    if (stream == null) return true;
    try {
      const head = headBytes === 0 ? null : own === undefined ? this.heads.of(headBytes) : own.subarray(0, headBytes);
      const body = own === undefined ? this.bodies.of(bodyBytes) : own.subarray(headBytes);
      return stream.send(head, body, length, (flags & PART.last) !== 0, (flags & PART.close) !== 0);
    } catch {
      stream.breakOff();
      return true;
    }
  }

  private on(number: number, act: (stream: UwsStream) => void): void {
    const stream = this.running[number];
    if (stream == null) return;
    try {
      act(stream);
    } catch {
      stream.breakOff();
    }
  }

  private slotFor(connection: RoutedConnection): Slot {
    const { frontend, address, port } = connection;
    const key = `${frontend} ${address} ${port}`;
    let slot = this.slots.get(key);
    if (slot === undefined) {
      slot = this.idleSlot() ?? this.createSlot();
      this.streams.setCaller(slot.caller, frontend, address, port);
      slot.key = key;
      slot.frontend = frontend;
      this.slots.set(key, slot);
    }
    return slot;
  }

  /**
   * The slot that has been without connections for longest, removed from the table; null when there is room for
   * another.
   */
  private idleSlot(): Slot | null {
    if (this.slots.size < MAX_IDLE_APPS) return null;
    let oldest: Slot | null = null;
    for (const slot of this.slots.values()) {
      if (slot.connections === 0 && (oldest === null || slot.lastUsedMs < oldest.lastUsedMs)) oldest = slot;
    }
    if (oldest !== null) this.slots.delete(oldest.key);
    return oldest;
  }

  private createSlot(): Slot {
    const app = this.uws.App();
    const caller = this.callers.length;
    const slot: Slot = { app, caller, key: '', frontend: 0, connections: 0, inFlight: 0, lastUsedMs: 0 };
    this.callers.push(slot);
    app.filter((_response, change) => {
      slot.connections += change;
      this.open += change;
      this.onConnections(this.open);
    });
    app.any('/*', (response, request) => this.onRequest(slot, response, request));
    return slot;
  }

  /** The request object is valid only until this returns. Hot path. */
  private onRequest(slot: Slot, response: UwsResponse, request: UwsRequest): void {
    const number = this.freeNumbers.pop() ?? this.running.length;
    const stream = new UwsStream(this, number, slot.caller, response);
    this.running[number] = stream;
    slot.inFlight++;
    try {
      const text = this.head.read(request);
      if (!this.head.hasBody) {
        if (stream.startRequest(text, HEAD_TEXT.decoded) !== START.inexact) return;
      } else if (isAscii(text)) {
        stream.startWithBody(text, HEAD_TEXT.decoded);
        return;
      }
      const { hasBody } = this.head;
      const exact = readBytes(request);
      const kind = exact === null ? HEAD_TEXT.lossy : HEAD_TEXT.bytes;
      if (hasBody) stream.startWithBody(exact ?? text, kind);
      else stream.startRequest(exact ?? text, kind);
    } catch {
      stream.breakOff();
    }
  }
}

/** Views of one place of the outbox, cached by length, because most lengths recur. */
class Windows {
  private static readonly MOST_KEPT_BYTES = 2_048;
  private readonly bytes: Uint8Array;
  private readonly offset: number;
  private readonly kept: (Uint8Array | undefined)[] = [];

  constructor(bytes: Uint8Array, offset: number) {
    this.bytes = bytes;
    this.offset = offset;
    for (let length = 0; length <= Windows.MOST_KEPT_BYTES; length++) this.kept.push(undefined);
  }

  of(length: number): Uint8Array {
    if (length > Windows.MOST_KEPT_BYTES) return this.view(length);
    return (this.kept[length] ??= this.view(length));
  }

  private view(length: number): Uint8Array {
    return new Uint8Array(this.bytes.buffer, this.offset, length);
  }
}

function isSocket(fd: number): boolean {
  try {
    return fstatSync(fd).isSocket();
  } catch {
    return false;
  }
}
