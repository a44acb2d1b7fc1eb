/**
 * Objects that stay and never change, each once: ten thousand routes refer to the same few Services in the same places, and of
 * what is equal one is enough.
 *
 * Used where references of route files become part of resources, and where conditions are made of them.
 */

/** Equal objects by a text that tells them apart from all others of their kind. */
export class SharedObjects<T> {
  readonly #known = new Map<string, T>();

  /** The one of this key, made now if it is not remembered. */
  of(key: string, make: () => T): T {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const made = make();
    // Where they hardly come again, little is held in vain.
    if (this.#known.size >= MOST) this.#known.clear();
    this.#known.set(key, made);
    return made;
  }
}

/** Objects of a kind that are remembered at a time. */
const MOST = 1_024;

const NOTHING: readonly never[] = [];

/** A list that stays, without the room that V8 has given it to grow: 17 places for the first entry. Of empty ones there is one. */
export function exact<T>(list: readonly T[]): readonly T[] {
  return list.length === 0 ? NOTHING : list.slice();
}
