/**
 * One request and its response in the `uws` engine: carries a decision out and reports the outcome once.
 *
 * Stage before: the handler of a uWS app, with a checked head and its decision. Stage after: undici towards the backend,
 * `Downstream` back. The object is undici's handler for the request; its callbacks come as
 *
 *     dispatch -> onConnect -> onHeaders(1xx)* -> onHeaders -> onData* -> onComplete
 *         \________________________\______________\___________\-> onError
 *
 * where onError without onConnect means that no byte of the request was sent, so that it may be dialled for again. The
 * timeouts of a route run from the start of the exchange, and from that of an attempt.
 * Nothing may throw into uWS: it ends the process.
 */
import { REQUEST_REASONS, type RequestReason } from '../../errors.ts';
import type { Decision, FieldLine, ForwardDecision } from '../../routing/decision.ts';
import { rewritePath } from '../../routing/filters/url-rewrite.ts';
import { Downstream, type ResponseHead } from '../../uws-library/downstream.ts';
import type { UwsResponse } from '../../uws-library/library.ts';
import { closesConnection, localReply } from '../local-reply.ts';
import { Attempts } from './attempts.ts';
import { LENGTH_MISMATCH, reasonOf } from './errors.ts';
import type { UwsHead } from './head.ts';
import { decisionExceedsUws } from './limits.ts';
import { noPhases } from './log.ts';
import { appendLines, editRequest } from './plan.ts';
import { readResponse } from './response.ts';
import { Upload } from './upload.ts';
import type { UpstreamPools } from './upstream-pools.ts';

/** A local reply waits for a body up to this size, so that the connection stays usable. */
const DISCARD_BYTES = 64 * 1024;
const NO_BYTES = new Uint8Array(0);
const NO_LINES: readonly FieldLine[] = [];

/** What exchanges share; implemented by the engine. */
export interface ExchangeOwner {
  readonly pools: UpstreamPools;
  /** Responses should close their connection. */
  readonly draining: boolean;
  /** Exactly once per exchange. */
  onSettled(exchange: Exchange, status: number, reason: RequestReason | null): void;
}

export class Exchange {
  readonly series: number;
  /** Monotonic, milliseconds. */
  readonly startedMs: number;
  readonly head: UwsHead;
  readonly phases = noPhases();
  private readonly owner: ExchangeOwner;
  private readonly response: UwsResponse;
  private readonly downstream: Downstream;
  private settled = false;

  /** Null: no route says anything about the request. */
  private decision: ForwardDecision | null = null;
  private requestTimer: NodeJS.Timeout | null = null;
  private attemptTimer: NodeJS.Timeout | null = null;
  /** Null: there is no backend. */
  private attempts: Attempts | null = null;
  private cancel: ((error?: Error) => void) | null = null;
  private resume: (() => void) | null = null;

  private upload: Upload | null = null;
  private body: Upload | Buffer | null = null;
  /** False while the downstream still sends its body. */
  private received: boolean;
  /** What still comes of the body is thrown away. */
  private uploadEnded = false;

  private status = 0;
  private responseHead: ResponseHead = { status: '', fields: [] };
  private responseLength: number | null = null;
  private responseReceived = 0;
  /** The response has no body whatever its fields say. */
  private bodyless = false;
  private responseComplete = false;

  constructor(owner: ExchangeOwner, response: UwsResponse, head: UwsHead, series: number, startedMs: number) {
    this.owner = owner;
    this.response = response;
    this.head = head;
    this.series = series;
    this.startedMs = startedMs;
    this.received = head.contentLength === 0;
    if (this.received) this.phases.receivedMs = startedMs;
    this.downstream = new Downstream(response, () => this.onDrained());
    response.onAborted(() => this.onAborted());
  }

  /** `original`: where the downstream meant to go. */
  carryOut(decision: Decision, original: { readonly address: string; readonly port: number }): void {
    switch (decision.kind) {
      case 'forward': {
        const { addresses, port } = decision.backend;
        this.decision = decision;
        if (decisionExceedsUws(decision)) this.reply('not_implemented');
        else this.forward(addresses, port);
        break;
      }
      case 'original':
        this.forward([original.address], original.port);
        break;
      case 'local':
        this.reply(decision.reason, decision.status, decision.fields ?? NO_LINES);
        break;
    }
  }

  /** Sends the request to the first of `addresses` that accepts a connection. */
  private forward(addresses: readonly string[], port: number): void {
    if (addresses.length === 0) {
      this.reply('unresolved');
      return;
    }
    this.attempts = new Attempts(this.owner.pools, addresses, port);
    this.requestTimer = this.timer(this.decision?.policy?.requestTimeoutMs ?? 0);
    if (this.received) this.dispatch();
    else this.response.onData((chunk, last) => this.onUpload(chunk, last));
  }

  /** Answers without a backend. `status` defaults to what the reason implies. */
  private reply(
    reason: RequestReason,
    status: number = REQUEST_REASONS[reason].status,
    lines: readonly FieldLine[] = NO_LINES,
  ): void {
    if (this.settled) return;
    // A body that did not come in time is not waited for again.
    const waits = !this.received && this.body === null && reason !== 'timeout' && reason !== 'shutdown';
    if (waits && this.head.contentLength <= DISCARD_BYTES) {
      this.response.onData((_chunk, last) => {
        if (!last) return;
        this.received = true;
        this.reply(reason, status, lines);
      });
      return;
    }
    const { status: statusLine, body, fields: own } = localReply(reason, status);
    const close = !this.received || this.closes || closesConnection(reason);
    const fields: (string | Uint8Array)[] = [...own];
    appendLines(fields, lines);
    this.endUpload();
    // RFC 9110 section 8.6: a 204 has no length.
    if (status === 204) {
      this.downstream.reply({ status: statusLine, fields }, null, close);
    } else if (this.head.method === 'HEAD') {
      fields.push('Content-Length', String(body.length));
      this.downstream.reply({ status: statusLine, fields }, null, close);
    } else {
      this.downstream.reply({ status: statusLine, fields }, body, close);
    }
    this.settle(status, reason);
  }

  /** Called now and then: neither a slow upload nor a stalled reader is a reason to close. */
  refresh(): void {
    if (this.settled || !this.downstream.open) return;
    if (this.downstream.blocked) {
      this.response.pause();
      this.response.resume();
    } else if (this.upload?.refresh() === false && this.downstream.started) {
      // A paused upload also holds what uWS may have left of the response.
      this.response.cork(() => undefined);
    }
  }

  /** Breaks both sides off. */
  abort(reason: RequestReason): void {
    if (this.settled) return;
    this.settle(this.statusSent, reason);
    this.upload?.detach();
    this.downstream.abort();
  }

  private get statusSent(): number {
    return this.downstream.started ? this.status : 0;
  }

  private get closes(): boolean {
    return this.head.close || this.owner.draining;
  }

  // From the downstream.

  private onUpload(bytes: ArrayBuffer, last: boolean): void {
    try {
      if (last) this.received = true;
      if (last) this.phases.receivedMs = performance.now();
      if (this.settled || this.uploadEnded) return;
      const chunk = Buffer.from(bytes.slice(0));
      if (this.body === null && last) {
        this.body = chunk;
        this.dispatch();
        return;
      }
      this.upload ??= new Upload(this.response);
      const kept = this.upload.receive(chunk, last, this.downstream.blocked);
      if (this.body === null) {
        this.body = this.upload;
        this.dispatch();
      } else if (!kept) {
        this.abort('overflow');
      }
    } catch {
      this.abort('internal');
    }
  }

  private onAborted(): void {
    this.downstream.open = false;
    this.upload?.detach();
    this.settle(this.statusSent, 'downstream_reset');
  }

  private onDrained(): void {
    if (this.settled) return;
    if (this.responseComplete) this.finish();
    else this.resume?.();
  }

  // From undici.

  private dispatch(): void {
    const attempts = this.attempts!;
    this.phases.upstream = attempts.destination;
    const upstream = attempts.acquire();
    if (upstream === null) {
      this.reply('overflow');
      return;
    }
    this.attemptTimer ??= this.timer(this.decision?.policy?.attemptTimeoutMs ?? 0);
    const { method, path, target } = this.head;
    const plan = this.decision?.plan;
    const fields = this.head.forwardedFields();
    upstream.pool.dispatch(
      {
        // undici keeps method and target as they are; its type lists the usual methods only.
        method,
        path: plan?.path == null ? target : rewritePath(plan.path, path) + target.slice(path.length),
        headers: plan == null ? fields : editRequest(fields, plan),
        body: this.body,
      },
      this,
    );
  }

  onConnect(cancel: (error?: Error) => void): void {
    this.attempts!.onConnect();
    this.phases.connectedMs = performance.now();
    this.cancel = cancel;
    if (this.settled) cancel();
  }

  onResponseStarted(): void {
    this.attempts!.onResponseStarted();
  }

  onHeaders(status: number, fields: Buffer[], resume: () => void, phrase: string): boolean {
    if (this.settled || status < 200) return true;
    this.resume = resume;
    this.phases.respondedMs = performance.now();
    this.status = status;
    this.bodyless = status === 204 || status === 304 || this.head.method === 'HEAD';
    const response = readResponse(status, phrase, fields, this.bodyless, this.decision);
    if (response === null) {
      this.fail('upstream_protocol');
      return false;
    }
    this.responseHead = response.head;
    this.responseLength = response.length;
    return true;
  }

  onData(chunk: Buffer): boolean {
    if (this.settled) return true;
    const { downstream } = this;
    this.responseReceived += chunk.length;
    if (this.responseReceived === this.responseLength) this.endUpload();
    const more = downstream.started ? downstream.write(chunk) : this.startResponse(chunk);
    if (!more) this.upload?.woken();
    return more;
  }

  onComplete(): void {
    this.responseComplete = true;
    if (!this.settled && !this.downstream.blocked) this.finish();
  }

  onError(error: Error): void {
    if (this.settled) return;
    if (this.downstream.started && !this.downstream.open) {
      this.settle(this.status, null);
      return;
    }
    // undici wants the body that the Content-Length of a 304 speaks of; there is none (RFC 9110 section 8.6).
    if (this.bodyless && 'code' in error && error.code === LENGTH_MISMATCH) {
      this.onComplete();
      return;
    }
    const reason = reasonOf(error, this.attempts!.connected);
    // A reset before the connect is seen to have succeeded: somebody accepted, this sidecar itself perhaps, and would again.
    const accepted = reason === 'connect_failure' && 'code' in error && error.code === 'ECONNRESET';
    if (accepted || !this.goOn(reason)) this.fail(reason);
  }

  /** After a failure: the request is sent, or dialled for, once more. */
  private goOn(reason: RequestReason): boolean {
    // With a body it is not known whether there is all of it to send again.
    const bodyless = this.body === null && this.decision?.policy?.once !== true;
    return this.attempts!.goOn(reason, this.head.method, bodyless, () => this.dispatchAgain());
  }

  private dispatchAgain(): void {
    try {
      this.dispatch();
    } catch {
      this.abort('internal');
    }
  }

  // Inside.

  private startResponse(chunk: Uint8Array): boolean {
    // A response that overtakes its request leaves the rest of the body without a reader.
    const close = this.closes || !this.received;
    return this.downstream.start(this.responseHead, this.responseLength, chunk, close);
  }

  /** The backend has given the whole response, or the downstream has all of it. */
  private finish(): void {
    const { downstream, status } = this;
    try {
      if (downstream.open) {
        this.endUpload();
        if (downstream.started) {
          downstream.end();
        } else {
          downstream.reply(this.responseHead, this.bodyless ? null : NO_BYTES, this.closes || !this.received);
        }
      }
      this.settle(status, null);
    } catch {
      this.abort('internal');
    }
  }

  /** There will be no whole response from the backend. */
  fail(reason: RequestReason): void {
    try {
      if (this.downstream.started) this.abort(reason);
      else this.reply(reason);
    } catch {
      this.abort('internal');
    }
  }

  /** Null when there is no limit. */
  private timer(timeoutMs: number): NodeJS.Timeout | null {
    // By way of the sockets: a response that arrived while the thread was held up is there before its timeout.
    const due = (): void => void setImmediate(() => this.onTimeout());
    return timeoutMs === 0 ? null : setTimeout(due, timeoutMs);
  }

  private onTimeout(): void {
    // When the backend has given all of it there is nothing left to wait for but the downstream itself.
    if (!this.settled && !this.responseComplete) this.fail('timeout');
  }

  /** Before the last bytes are written, after which uWS must not be called: nothing may leave the connection paused. */
  private endUpload(): void {
    this.uploadEnded = true;
    this.upload?.release();
    this.upload?.detach();
  }

  private settle(status: number, reason: RequestReason | null): void {
    if (this.settled) return;
    this.settled = true;
    if (this.requestTimer !== null) clearTimeout(this.requestTimer);
    if (this.attemptTimer !== null) clearTimeout(this.attemptTimer);
    this.attempts?.stop();
    // undici closes the connection at once, but opens another one that nobody asked for; it ends with the idle timeout.
    if (!this.responseComplete) this.cancel?.();
    this.owner.onSettled(this, status, reason);
  }
}
