/**
 * Small integers for names, used as array indices. A name keeps its number until it is forgotten; then the number may
 * be reused.
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

  /** Names by number; null for a free number. */
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
