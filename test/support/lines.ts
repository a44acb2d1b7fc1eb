/** Lines of a stream as events: a test can wait for one that has come already or comes later. */
import { createInterface } from 'node:readline';

import { within } from './eventually.ts';

export interface Lines {
  /** The first line that matches, which is not given again. */
  next(pattern: RegExp): Promise<string>;
}

export function lines(stream: NodeJS.ReadableStream, deadlineMs = 60_000): Lines {
  const seen: string[] = [];
  let wake = (): void => undefined;
  createInterface({ input: stream }).on('line', (line) => {
    seen.push(line);
    wake();
  });
  const find = async (pattern: RegExp): Promise<string> => {
    for (;;) {
      const at = seen.findIndex((line) => pattern.test(line));
      if (at >= 0) return seen.splice(at, 1)[0]!;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  return { next: (pattern) => within(find(pattern), `a line like ${pattern}`, deadlineMs) };
}
