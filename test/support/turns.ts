/** Measures what happens within one turn of the event loop. */

/** The most that the total `read` grows in one turn, until `done`. */
export function mostPerTurn(read: () => number, done: (total: number) => boolean): Promise<number> {
  return new Promise((resolve) => {
    let most = 0;
    let last = read();
    const look = (): void => {
      const now = read();
      most = Math.max(most, now - last);
      last = now;
      if (done(now)) resolve(most);
      else setImmediate(look);
    };
    setImmediate(look);
  });
}
