/**
 * Small integers that stand for names, for arrays: a name keeps its number until it is forgotten, and then the number may be
 * given to another.
 */
export class Numbers {
  readonly #numbers = new Map<string, number>();
  readonly #names: (string | null)[] = [];
  readonly #free: number[] = [];

  of(name: string): number {
    let number = this.#numbers.get(name);
    if (number === undefined) {
      number = this.#free.pop() ?? this.#names.length;
      this.#names[number] = name;
      this.#numbers.set(name, number);
    }
    return number;
  }

  /** By number; null for one that is free. */
  get names(): readonly (string | null)[] {
    return [...this.#names];
  }

  forget(name: string): void {
    const number = this.#numbers.get(name);
    if (number === undefined) return;
    this.#numbers.delete(name);
    this.#names[number] = null;
    this.#free.push(number);
  }
}
