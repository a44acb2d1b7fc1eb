/** Wait for a condition instead of for time. */
import { setTimeout as delay } from 'node:timers/promises';

/** Polls every few milliseconds until `condition` holds; rejects, naming `what`, when it does not within `deadlineMs`. */
export async function eventually(what: string, condition: () => boolean, deadlineMs = 10_000): Promise<void> {
  const start = performance.now();
  while (!condition()) {
    if (performance.now() - start > deadlineMs) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await delay(3);
  }
}
