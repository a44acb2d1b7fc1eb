/**
 * Texts that stay, each once. V8 makes of a part of a text one that points into the whole, so that a name would keep its file alive; and the
 * texts of ten thousand routes are the same few again and again.
 *
 * Used where texts of route files and places in them become part of resources.
 */

/** What is shorter V8 copies by itself. */
const LEAST_SHARED_CHARS = 13;
/** Of names; what is longer hardly comes again. */
const MOST_SHARED_CHARS = 64;
/** Texts that are remembered at a time. */
const MOST = 4_096;

export class SharedTexts {
  readonly #texts = new Map<string, string>();
  readonly #mostChars: number;

  /** `mostChars`: longer ones are copied, but not remembered. */
  constructor(mostChars = MOST_SHARED_CHARS) {
    this.#mostChars = mostChars;
  }

  /** The same text, which holds nothing else alive. */
  of(text: string): string {
    if (text.length > this.#mostChars) return copyOf(text);
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    const own = text.length < LEAST_SHARED_CHARS ? text : copyOf(text);
    if (this.#texts.size >= MOST) this.#texts.clear();
    this.#texts.set(own, own);
    return own;
  }
}

/** Halves of pairs get lost where each character becomes bytes. */
const SURROGATE = /[\ud800-\udfff]/;

/** By way of bytes: every operation on strings may give a text that points into the other. */
function copyOf(text: string): string {
  return SURROGATE.test(text) ? text : Buffer.from(text).toString();
}

const places = new SharedTexts();

/** Of a field path, which is put together of parts that would all stay with it. */
export function sharedPlace(path: string): string {
  return places.of(path);
}
