/**
 * Messages in both directions over one request and its response, as long as the client wants. Each side numbers its
 * messages and counts those of the other, so that a lost, doubled or foreign message shows at once. Messages have gRPC
 * framing, which marks their ends.
 */
const EVERY_MS = 1_000;
const PREFIX_BYTES = 5;
/** After this silence the other side counts as gone, whatever the state of the connection. */
export const SILENCE_MS = 30_000;

export function messageOf(id: string, from: 'client' | 'server', text: string): Buffer {
  const payload = Buffer.from(`${id} ${from} ${text}`);
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(payload.length, 1);
  return Buffer.concat([prefix, payload]);
}

/** Extracts messages from the received pieces. */
export class MessageReader {
  readonly #onMessage: (text: string) => void;
  #rest: Buffer = Buffer.alloc(0);

  constructor(onMessage: (text: string) => void) {
    this.#onMessage = onMessage;
  }

  push(piece: Buffer): void {
    let rest = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    while (rest.length >= PREFIX_BYTES) {
      const end = PREFIX_BYTES + rest.readUInt32BE(1);
      if (rest.length < end) break;
      this.#onMessage(rest.toString('latin1', PREFIX_BYTES, end));
      rest = rest.subarray(end);
    }
    this.#rest = rest;
  }

  /** What has come ends with a message. */
  get whole(): boolean {
    return this.#rest.length === 0;
  }
}

/** One side's view: what it has sent, and whether it received the other's messages in order. */
class Side {
  readonly #id: string;
  readonly #own: 'client' | 'server';
  readonly #reader: MessageReader;
  #write: (bytes: Buffer) => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;
  said = 0;
  heard = 0;
  heardMs = performance.now();
  /** The first thing that was not as it has to be. */
  wrong: string | null = null;

  constructor(id: string, own: 'client' | 'server') {
    this.#id = id;
    this.#own = own;
    this.#reader = new MessageReader((text) => this.take(text));
  }

  /** Says something every second from now on. */
  start(write: (bytes: Buffer) => void): void {
    this.#write = write;
    this.say();
    this.#timer = setInterval(() => this.say(), EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  say(text = String((this.said += 1))): void {
    this.#write(messageOf(this.#id, this.#own, text));
  }

  push(piece: Buffer): void {
    this.#reader.push(piece);
  }

  get whole(): boolean {
    return this.#reader.whole;
  }

  protected take(text: string): void {
    this.heardMs = performance.now();
    this.heard += 1;
    const other = this.#own === 'client' ? 'server' : 'client';
    const expected = `${this.#id} ${other} ${this.heard}`;
    if (text !== expected) this.wrong ??= `"${text}" instead of "${expected}"`;
  }
}

/** The server side; its last message reports its count. */
export class ConversationServer extends Side {
  constructor(id: string) {
    super(id, 'server');
  }

  finish(): void {
    this.stop();
    this.say(`end ${this.heard} ${this.said} ${this.wrong ?? (this.whole ? 'good' : 'half a message')}`);
  }
}

/** The client side. */
export class Conversation extends Side {
  #end: string | null = null;
  #hangUp: () => void = () => undefined;

  constructor(id: string) {
    super(id, 'client');
  }

  /** `hangUp` ends the request. */
  begin(write: (bytes: Buffer) => void, hangUp: () => void): void {
    this.#hangUp = hangUp;
    this.start(write);
  }

  /** Says nothing more; the backend does as well then. */
  finish(): void {
    this.stop();
    this.#hangUp();
  }

  protected override take(text: string): void {
    const end = /^\S+ server (end .*)$/.exec(text)?.[1];
    if (end === undefined || this.#end !== null) super.take(text);
    else this.#end = end;
  }

  /** The response is whole: do both sides say the same? */
  verdict(): string | null {
    const expected = `end ${this.said} ${this.heard} good`;
    if (this.wrong !== null) return this.wrong;
    return this.#end === expected ? null : `the backend says "${this.#end ?? 'nothing'}", not "${expected}"`;
  }
}
