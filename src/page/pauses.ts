/**
 * How long the page waits before it asks again.
 *
 * Stage after: `poller.ts`. Pure, without a browser.
 */

/** A large configuration that changes all the time takes at most this part of the time. */
const CONFIG_SHARE = 0.1;
/** However late an answer was once: a new configuration is to be seen. */
const MAX_CONFIG_PAUSE_MS = 30_000;

/** `tookMs`: how long the answer took that came last. */
export function configPauseMs(tookMs: number): number {
  return Math.min(tookMs / CONFIG_SHARE - tookMs, MAX_CONFIG_PAUSE_MS);
}
