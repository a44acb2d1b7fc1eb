/**
 * Shares equal texts. V8 represents a substring as a pointer into the whole text, so a name would keep its file in
 * memory. Besides, the texts of ten thousand routes are mostly the same few.
 *
 * Used where texts of route files, and field paths, become part of resources.
 */

import { untilLoaded } from './until-loaded.ts';

/** V8 always copies shorter substrings. */
const LEAST_SHARED_CHARS = 13;
/** Longer texts rarely recur. */
const MOST_SHARED_CHARS = 64;
/** Maximum number of cached texts. */
const MOST = 4_096;

export class SharedTexts {
  readonly #texts = new Map<string, string>();
  readonly #mostChars: number;

  /** `mostChars`: longer texts are copied, but not cached. */
  constructor(mostChars = MOST_SHARED_CHARS) {
    this.#mostChars = mostChars;
  }

  /** An equal text that keeps no other text in memory. */
  of(text: string): string {
    if (text.length > this.#mostChars) return copyOf(text);
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    const own = text.length < LEAST_SHARED_CHARS ? text : copyOf(text);
    if (this.#texts.size >= MOST) this.#texts.clear();
    this.#texts.set(own, own);
    return own;
  }

  forget(): void {
    this.#texts.clear();
  }
}

/** A single surrogate is lost when the text is converted to UTF-8. */
const SURROGATE = /[\ud800-\udfff]/;

/** The conversion to bytes forces a copy; string operations may return a text that points into the other one. */
function copyOf(text: string): string {
  return SURROGATE.test(text) ? text : Buffer.from(text).toString();
}

const places = untilLoaded(new SharedTexts());

/** For field paths: a path is a concatenation, which would keep all its parts in memory. */
export function sharedPlace(path: string): string {
  return places.of(path);
}
