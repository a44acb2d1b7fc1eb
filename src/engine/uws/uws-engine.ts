/**
 * The `uws` engine: uWebSockets.js in front, undici behind. Readable reference and second opinion, not the fast path.
 *
 * Stage before: the acceptor, whose gate admits a connection only when its first head is complete, strictly valid and of
 * a kind this engine carries. Stage after: the backend. One uWS app stands for one original destination, because uWS
 * gives a handler no other clue which connection it serves. Apps are never freed, so one that has no
 * connection is given to the next destination.
 *
 * Limits that uWS sets: no chunked request bodies, Upgrade, Expect, HTTP/1.0, trailers or 1xx; pipelining
 * closes the connection; half-close aborts; idle connections are closed after 10 s; a response head leaves with its
 * first body byte; field names of requests are lower-cased; Date is the proxy's. What of a decision it cannot carry out,
 * such as retries and mirrors, says `limits.ts`.
 */
import { closeSync, fstatSync } from 'node:fs';

import type { NativeAccessLog } from '../../addon/access-log.ts';
import { ProxyError, REQUEST_REASONS, type RequestReason } from '../../errors.ts';
import { loadUws, type UwsApp, type UwsLibrary, type UwsRequest, type UwsResponse } from '../../uws-library/library.ts';
import type { Engine, EngineHost, RoutedConnection } from '../engine.ts';
import { localReply } from '../local-reply.ts';
import { Exchange, type ExchangeOwner } from './exchange.ts';
import { UwsHead } from './head.ts';
import { isLogged, logRequest, noPhases } from './log.ts';
import { DEFAULT_UPSTREAM_OPTIONS, UpstreamPools, type UpstreamOptions } from './upstream-pools.ts';

/** Below the 8 s after which uWS may close a slow upload or a stalled reader. */
const REFRESH_INTERVAL_MS = 3_000;
/** Beyond this many apps one without connections is reused before another is made (27 KiB each). */
const MAX_IDLE_APPS = 256;
const DRAIN_POLL_MS = 20;
/** A connection adopted this long ago without a request is idle: its first head was complete when it came. */
const DRAIN_QUIET_MS = 100;

export interface UwsEngineOptions {
  readonly maxHeadBytes: number;
  readonly upstream: Partial<UpstreamOptions>;
  readonly accessLog?: NativeAccessLog | undefined;
  /** Called with every change of `connections`. */
  readonly onConnections?: ((connections: number) => void) | undefined;
  /** Requests are to be refused for want of memory. */
  readonly overloaded?: (() => boolean) | undefined;
}

/** An app and the destination it stands for now. */
interface Slot {
  readonly app: UwsApp;
  key: string;
  frontend: number;
  address: string;
  port: number;
  connections: number;
  inFlight: number;
  lastUsedMs: number;
}

/**
 * @throws ProxyError `uws-unavailable` when the binary cannot be loaded
 */
export async function createUwsEngine(host: EngineHost, options: Partial<UwsEngineOptions> = {}): Promise<Engine> {
  return new UwsEngine(await loadUws(options.maxHeadBytes), host, options);
}

class UwsEngine implements Engine, ExchangeOwner {
  readonly name = 'uws';
  readonly pools: UpstreamPools;
  draining = false;
  private open = 0;
  private readonly uws: UwsLibrary;
  private readonly host: EngineHost;
  private readonly accessLog: NativeAccessLog | null;
  private readonly overloaded: () => boolean;
  private readonly onConnections: (connections: number) => void;
  private readonly slots = new Map<string, Slot>();
  private readonly exchanges = new Map<Exchange, Slot>();
  private readonly refresher: NodeJS.Timeout;
  private readonly outcome = { series: 0, status: 0, reason: null as RequestReason | null, durationMs: 0 };

  constructor(uws: UwsLibrary, host: EngineHost, options: Partial<UwsEngineOptions>) {
    this.uws = uws;
    this.host = host;
    this.accessLog = options.accessLog ?? null;
    this.overloaded = options.overloaded ?? (() => false);
    this.onConnections = options.onConnections ?? (() => undefined);
    this.pools = new UpstreamPools({ ...DEFAULT_UPSTREAM_OPTIONS, ...options.upstream });
    this.refresher = setInterval(() => {
      for (const exchange of this.exchanges.keys()) exchange.refresh();
    }, REFRESH_INTERVAL_MS).unref();
  }

  get connections(): number {
    return this.open;
  }

  *frontendsInUse(): Iterable<number> {
    for (const { connections, inFlight, frontend } of this.slots.values())
      if (connections + inFlight > 0) yield frontend;
  }

  /** @throws ProxyError `bad-descriptor`, and leaves it alone, where uWS would end the process */
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

  async drain(deadlineMs: number): Promise<void> {
    this.draining = true;
    const endMs = performance.now() + deadlineMs;
    while (this.connections > 0) {
      const nowMs = performance.now();
      if (nowMs >= endMs) this.cut();
      for (const slot of this.slots.values()) {
        const quiet = slot.inFlight === 0 && nowMs - slot.lastUsedMs > DRAIN_QUIET_MS;
        if (slot.connections > 0 && (quiet || nowMs >= endMs)) slot.app.close();
      }
      if (nowMs >= endMs) break;
      await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
    }
  }

  async close(): Promise<void> {
    this.draining = true;
    clearInterval(this.refresher);
    this.cut();
    for (const slot of this.slots.values()) slot.app.close();
    await this.pools.destroy();
  }

  /** What still runs ends now; a caller that has nothing of a response yet is told why. */
  private cut(): void {
    for (const exchange of [...this.exchanges.keys()]) exchange.fail('shutdown');
  }

  onSettled(exchange: Exchange, status: number, reason: RequestReason | null): void {
    const slot = this.exchanges.get(exchange);
    if (slot === undefined) return;
    this.exchanges.delete(exchange);
    const nowMs = performance.now();
    slot.inFlight--;
    slot.lastUsedMs = nowMs;
    const { outcome } = this;
    outcome.series = exchange.series;
    outcome.status = status;
    outcome.reason = reason;
    outcome.durationMs = nowMs - exchange.startedMs;
    this.host.onOutcome(outcome);
    if (!isLogged(this.accessLog, reason, status)) return;
    const { series, head, phases, startedMs } = exchange;
    logRequest(this.accessLog!, {
      ...{ frontend: slot.frontend, destination: slot, status, reason },
      ...{ series, head, phases, startedMs },
    });
  }

  private slotFor(connection: RoutedConnection): Slot {
    const { frontend, address, port } = connection;
    const key = `${frontend} ${address} ${port}`;
    let slot = this.slots.get(key);
    if (slot === undefined) {
      slot = this.idleSlot() ?? this.createSlot();
      slot.key = key;
      slot.frontend = frontend;
      slot.address = address;
      slot.port = port;
      this.slots.set(key, slot);
    }
    return slot;
  }

  /** The slot without connections that was unused for longest, taken out of the table; null when there is room. */
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
    const slot: Slot = { app, key: '', frontend: 0, address: '', port: 0, connections: 0, inFlight: 0, lastUsedMs: 0 };
    app.filter((_response, change) => {
      slot.connections += change;
      this.open += change;
      this.onConnections(this.open);
    });
    app.any('/*', (response, request) => this.onRequest(slot, response, request));
    return slot;
  }

  /** Hot path. The request is valid only until this returns. */
  private onRequest(slot: Slot, response: UwsResponse, request: UwsRequest): void {
    const startedMs = performance.now();
    let exchange: Exchange | null = null;
    const head = new UwsHead();
    try {
      const problem = head.read(request) ?? (this.overloaded() ? 'overload' : null);
      if (problem !== null) {
        this.refuse(slot, response, problem, head);
        return;
      }
      const decision = this.host.decide(slot.frontend, head);
      exchange = new Exchange(this, response, head, decision.series, startedMs);
      this.exchanges.set(exchange, slot);
      slot.inFlight++;
      exchange.carryOut(decision, slot);
    } catch {
      if (exchange === null) this.refuse(slot, response, 'internal', head);
      else exchange.fail('internal');
    }
  }

  /**
   * Not at once: uWS would go on and read what follows as the next request. While this one is unanswered it closes the
   * connection instead, and with the answer the connection is closed too.
   */
  private refuse(slot: Slot, response: UwsResponse, reason: RequestReason, head: UwsHead): void {
    this.host.onRefused(slot.frontend, reason);
    const { status } = REQUEST_REASONS[reason];
    if (isLogged(this.accessLog, reason, status)) {
      logRequest(this.accessLog!, {
        ...{ frontend: slot.frontend, destination: slot, series: -1, status, reason },
        ...{ head, phases: noPhases(), startedMs: performance.now() },
      });
    }
    let open = true;
    response.onAborted(() => {
      open = false;
    });
    setImmediate(() => {
      if (!open) return;
      const reply = localReply(reason);
      response.cork(() => {
        response.writeStatus(reply.status);
        for (let i = 0; i < reply.fields.length; i += 2) response.writeHeader(reply.fields[i]!, reply.fields[i + 1]!);
        response.end(reply.body, true);
      });
    });
  }
}

function isSocket(fd: number): boolean {
  try {
    return fstatSync(fd).isSocket();
  } catch {
    return false;
  }
}
