/** Prints the progress of a run, and how long the rest will take. */
export class Progress {
  readonly #started = performance.now();
  /** Expected duration in seconds. */
  readonly #total: number;
  #done = 0;

  constructor(total: number) {
    this.#total = total;
  }

  /** A step of so many of those seconds has ended. */
  done(expected: number, text: string): void {
    this.#done += expected;
    // Sums in a different order differ in the last digits.
    const part = Math.min(this.#done / this.#total + 1e-9, 1);
    const passed = (performance.now() - this.#started) / 1000;
    // At first by the expected durations, then more and more by the actual ones.
    const left = (this.#total - this.#done) * (1 - part) + (passed / Math.max(part, 0.001)) * (1 - part) * part;
    process.stderr.write(
      `[${String(Math.floor(part * 100)).padStart(3)} %, ${clock(Math.max(left, 0))} left] ${text}\n`,
    );
  }
}

function clock(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`;
}
