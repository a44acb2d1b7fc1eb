/**
 * The bodies of reviews, from their first byte until they have been processed. Each is limited, and so is their total
 * size. When there is no more room, the largest one is refused: a few huge or endless bodies must not cause the refusal
 * of normal ones.
 *
 * Stage before: requests of `server.ts`. Stage after: `review.ts`.
 */
import type { IncomingMessage } from 'node:http';

/** A pod is smaller than the limit of etcd, 1.5 MiB, and a review adds little to it. */
export const MAX_BODY_BYTES = 4 * 2 ** 20;
/** Maximum size of all bodies together. */
export const MAX_BODIES_BYTES = 32 * 2 ** 20;

const NOTHING = Buffer.alloc(0);
const LEAST_ROOM_BYTES = 16 * 1024;

export type BodyRefusal =
  | 'too-long'
  /** It was refused to make room for others. */
  | 'crowded'
  /** Its sender disconnected before the end. */
  | 'gone';

export class Body {
  readonly #bodies: Bodies;
  /**
   * One growing block, because small chunks would each cost more than their bytes. At most twice the size of its
   * content.
   */
  #room: Buffer = NOTHING;
  bytes = 0;
  #refusal: BodyRefusal | null = null;
  readonly #ended: () => void;
  /** Resolves when it is complete or refused. */
  readonly ready: Promise<void>;

  constructor(bodies: Bodies, request: IncomingMessage) {
    this.#bodies = bodies;
    let ended = (): void => undefined;
    this.ready = new Promise((resolve) => (ended = resolve));
    this.#ended = ended;
    if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) {
      this.refuse('too-long');
      return;
    }
    request.on('data', (chunk: Buffer) => this.#took(chunk));
    request.on('end', ended);
    request.on('error', () => this.refuse('gone'));
    request.on('close', () => {
      if (!request.complete) this.refuse('gone');
    });
  }

  get refusal(): BodyRefusal | null {
    return this.#refusal;
  }

  /** Returns the content as text and releases it. */
  take(): string {
    const text = this.#room.toString('utf8', 0, this.bytes);
    this.drop();
    return text;
  }

  refuse(refusal: BodyRefusal): void {
    this.#refusal ??= refusal;
    this.drop();
    this.#ended();
  }

  drop(): void {
    this.#room = NOTHING;
    this.bytes = 0;
    this.#bodies.delete(this);
  }

  #took(chunk: Buffer): void {
    if (this.#refusal !== null) return;
    const bytes = this.bytes + chunk.length;
    if (bytes > MAX_BODY_BYTES) {
      this.refuse('too-long');
      return;
    }
    if (bytes > this.#room.length) {
      const room = Buffer.allocUnsafeSlow(Math.max(bytes, 2 * this.#room.length, LEAST_ROOM_BYTES));
      this.#room.copy(room, 0, 0, this.bytes);
      this.#room = room;
    }
    chunk.copy(this.#room, this.bytes);
    this.bytes = bytes;
    this.#bodies.grown();
  }
}

export class Bodies {
  readonly #held = new Set<Body>();
  readonly #limitBytes: number;

  constructor(limitBytes: number = MAX_BODIES_BYTES) {
    this.#limitBytes = limitBytes;
  }

  /** Size of all bodies, in bytes. */
  get held(): number {
    let total = 0;
    for (const { bytes } of this.#held) total += bytes;
    return total;
  }

  of(request: IncomingMessage): Body {
    const body = new Body(this, request);
    if (body.refusal === null) this.#held.add(body);
    return body;
  }

  /** Called for each chunk. The loop is short: there are at most as many bodies as connections. */
  grown(): void {
    if (this.held <= this.#limitBytes) return;
    let largest: Body | null = null;
    for (const body of this.#held) if (largest === null || body.bytes > largest.bytes) largest = body;
    largest?.refuse('crowded');
  }

  delete(body: Body): void {
    this.#held.delete(body);
  }
}
