/**
 * Shares equal immutable objects: ten thousand routes refer to the same few Services in the same places, and one copy
 * of equal objects is enough.
 *
 * Used where references in route files become part of resources, and where conditions are built from them.
 */

/** Equal objects have the same key, a text that distinguishes them from all others of their kind. */
export class SharedObjects<T> {
  readonly #known = new Map<string, T>();

  /** The object with this key; created now if it is not cached. */
  of(key: string, make: () => T): T {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const made = make();
    // When objects rarely recur, little is kept without use.
    if (this.#known.size >= MOST) this.#known.clear();
    this.#known.set(key, made);
    return made;
  }

  forget(): void {
    this.#known.clear();
  }
}

/** Maximum number of cached objects of a kind. */
const MOST = 1_024;

const NOTHING: readonly never[] = [];

/**
 * A copy without spare capacity: V8 gives a growing array space for 17 entries with its first entry. All empty lists
 * are the same object.
 */
export function exact<T>(list: readonly T[]): readonly T[] {
  return list.length === 0 ? NOTHING : list.slice();
}
