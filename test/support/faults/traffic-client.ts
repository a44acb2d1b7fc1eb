/** Makes requests of all kinds, at a rate or one after another, and reports the result of each. */
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { ClientConnection, splitTarget } from './client-connection.ts';
import { Exchange } from './client-exchange.ts';
import { Http2Connection, Http2Connections } from './http2-connection.ts';
import { plainExchange } from './plain-exchange.ts';
import type { ClientRecord, Kind } from './kinds.ts';

const TICK_MS = 10;
/** More open requests than this would all be unanswered ones. */
const MAX_OPEN = 400;
/** Idle connections kept for each target. */
const MAX_IDLE = 24;
/** In a mix, one of this many requests of a kept kind opens a new connection nevertheless. */
const FRESH_EVERY = 12;

const RENEW_AFTER_MS = 500;
const ID_DIGITS = 7;

export class TrafficClient {
  readonly #report: (record: ClientRecord) => void;
  readonly #idle = new Map<string, ClientConnection[]>();
  readonly #moved = new Map<string, string>();
  readonly #crowd: Socket[] = [];
  readonly #http2 = new Http2Connections();
  /** Long ones that are under way. */
  readonly #long = new Set<Exchange>();
  #sequence = 0;
  #open = 0;
  #skipped = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopping = false;
  #onEmpty: (() => void) | null = null;

  constructor(report: (record: ClientRecord) => void) {
    this.#report = report;
  }

  /** So many a second, until `stop`; kinds by their weight. */
  mix(perSecond: number, kinds: readonly (Kind & { readonly weight: number })[]): void {
    clearInterval(this.#timer);
    // Kinds take turns as evenly as their weights allow, so every second has the same mix.
    const total = kinds.reduce((sum, { weight }) => sum + weight, 0);
    const credit = kinds.map(() => 0);
    const next = (): Kind => {
      let best = 0;
      for (let i = 0; i < kinds.length; i += 1) {
        credit[i] = credit[i]! + kinds[i]!.weight;
        if (credit[i]! > credit[best]!) best = i;
      }
      credit[best] = credit[best]! - total;
      return kinds[best]!;
    };
    let due = 0;
    let lastMs = performance.now();
    this.#timer = setInterval(() => {
      const nowMs = performance.now();
      due += ((nowMs - lastMs) / 1_000) * perSecond;
      lastMs = nowMs;
      for (; due >= 1; due -= 1) {
        if (this.#open >= MAX_OPEN) this.#skipped += 1;
        else void this.#run(next(), true);
      }
    }, TICK_MS);
  }

  /**
   * So many connections that say nothing, or nothing more after a request for `path`, are open from now on. Resolves when the
   * new ones stand, or have failed, and those that are too many are closed.
   */
  async crowd(target: string, connections: number, path?: string): Promise<void> {
    const settled: Promise<unknown>[] = [];
    for (const socket of this.#crowd.splice(connections)) {
      if (socket.closed) continue;
      settled.push(new Promise((resolve) => socket.once('close', resolve)));
      socket.destroy();
    }
    while (this.#crowd.length < connections) {
      const socket = connect(splitTarget(target));
      socket.on('error', () => undefined);
      settled.push(new Promise((resolve) => socket.once('connect', resolve).once('close', resolve)));
      socket.resume();
      if (path !== undefined) socket.write(`GET ${path} HTTP/1.1\r\nHost: web\r\n\r\n`);
      this.#crowd.push(socket);
    }
    await Promise.all(settled);
  }

  async batch(kind: Kind, count: number, connections: number): Promise<void> {
    let started = 0;
    const worker = async (): Promise<void> => {
      while (started < count) {
        started += 1;
        await this.#run(kind, false);
      }
    };
    await Promise.all(Array.from({ length: Math.min(count, connections) }, worker));
  }

  /** So many long ones, each of which is followed by another if it ends before `stop`. */
  hold(kind: Kind, count: number): void {
    const one = async (): Promise<void> => {
      while (!this.#stopping) {
        await this.#run(kind, false);
        await delay(RENEW_AFTER_MS);
      }
    };
    for (let i = 0; i < count; i += 1) void one();
  }

  move(from: string, to: string): void {
    this.#moved.set(from, to);
  }

  /** How many requests a mix did not make because too many were open. */
  async stop(): Promise<number> {
    clearInterval(this.#timer);
    this.#stopping = true;
    void this.crowd('', 0);
    for (const { conversation } of this.#long) conversation!.finish();
    if (this.#open > 0) await new Promise<void>((resolve) => (this.#onEmpty = resolve));
    this.leave();
    return this.#skipped;
  }

  /** Closes idle connections. */
  leave(): void {
    for (const connections of this.#idle.values()) for (const connection of connections) connection.close();
    this.#idle.clear();
    this.#http2.close();
  }

  async #run(kind: Kind, mixed: boolean): Promise<void> {
    const count = kind.style === 'pipelined' ? 2 : 1;
    this.#open += 1;
    const target = this.#moved.get(kind.target) ?? kind.target;
    const exchanges = Array.from({ length: count }, () => new Exchange(kind, this.#nextId(kind)));
    for (const exchange of exchanges) if (exchange.conversation !== null) this.#long.add(exchange);
    if (kind.version === 'http2') {
      await this.#runHttp2(exchanges[0]!, target);
    } else if (kind.style === 'plain') {
      this.#report(await plainExchange(target, exchanges[0]!.id));
    } else {
      const reusable = kind.style !== 'fresh' && !(mixed && this.#sequence % FRESH_EVERY === 0);
      const kept = reusable ? this.#takeIdle(target) : undefined;
      const connection = kept ?? new ClientConnection(target);
      await connection.carry(exchanges);
      for (const exchange of exchanges) this.#report(exchange.record());
      if (connection.reusable) this.#putIdle(target, connection);
      else connection.close();
    }
    for (const exchange of exchanges) this.#long.delete(exchange);
    this.#open -= 1;
    if (this.#open === 0) this.#onEmpty?.();
  }

  async #runHttp2(exchange: Exchange, target: string): Promise<void> {
    const alone = exchange.kind.style === 'fresh' || (exchange.kind.style === 'abort' && this.#sequence % 4 === 0);
    const connection = alone ? new Http2Connection(target) : this.#http2.take(target);
    await connection.carry(exchange);
    this.#report(exchange.record());
    if (alone) connection.close();
  }

  /** Of the same length for all requests of a kind. */
  #nextId(kind: Kind): string {
    this.#sequence += 1;
    return `${kind.name}.${String(this.#sequence).padStart(ID_DIGITS, '0')}`;
  }

  #takeIdle(target: string): ClientConnection | undefined {
    const idle = this.#idle.get(target) ?? [];
    for (;;) {
      const connection = idle.pop();
      if (connection === undefined || connection.reusable) return connection;
    }
  }

  #putIdle(target: string, connection: ClientConnection): void {
    const idle = this.#idle.get(target) ?? [];
    this.#idle.set(target, idle);
    if (idle.length < MAX_IDLE) idle.push(connection);
    else connection.close();
  }
}
