/**
 * The settings of the acceptor and the native engine of one worker. A limit for each backend is divided between the
 * workers.
 *
 * Stage before: the settings. Stage after: `capture.ts` and `engines.ts` in the main thread, `proxy-worker.ts` in the
 * others.
 */
import type { AcceptorOptions } from '../addon/binding.ts';
import type { HttpEngineSettings } from '../addon/http-engine.ts';
import type { ProxySettings } from '../config/settings.ts';
import { ProxyError } from '../errors.ts';

/** Limits for each backend that are divided between workers, and their flags. */
const DIVIDED = {
  maxUpstreamConnections: '--max-upstream-connections',
  maxQueuedRequests: '--max-queued-requests',
  maxMirrors: '--max-mirrors',
} as const;

export type AcceptorSettings = Pick<
  AcceptorOptions,
  'detectTimeoutMs' | 'maxHeadBytes' | 'maxHeaderFields' | 'maxConnections' | 'connectTimeoutMs'
>;

/** Equal for all workers. */
export function acceptorSettings(settings: ProxySettings): AcceptorSettings {
  const { detectTimeoutMs, maxHeadBytes, maxHeaderFields, maxConnections, connectTimeoutMs } = settings;
  return { detectTimeoutMs, maxHeadBytes, maxHeaderFields, maxConnections, connectTimeoutMs };
}

/** `worker` is counted from 0. The parts of all workers add up to the limit. */
export function engineSettings(settings: ProxySettings, worker: number, workers: number): HttpEngineSettings {
  const part = (limit: number): number => Math.floor(limit / workers) + (worker < limit % workers ? 1 : 0);
  const { maxHeadBytes, maxHeaderFields, connectTimeoutMs, queueTimeoutMs, mirrorTimeoutMs } = settings;
  const { retryBudgetPercent, retryBudgetReserve } = settings;
  return {
    ...{ maxHeadBytes, maxHeaderFields, connectTimeoutMs, queueTimeoutMs, mirrorTimeoutMs },
    ...{ retryBudgetPercent, retryBudgetReserve },
    maxUpstreamConnections: part(settings.maxUpstreamConnections),
    maxQueuedRequests: part(settings.maxQueuedRequests),
    maxMirrors: part(settings.maxMirrors),
  };
}

/** @throws ProxyError `workers` when a setting does not work with this number of workers */
export function checkWorkers(settings: ProxySettings, workers: number): void {
  if (workers === 1) return;
  if (settings.engine === 'uws') {
    throw new ProxyError('workers', '--engine uws has one thread: it works with --workers 1 alone');
  }
  for (const [key, flag] of Object.entries(DIVIDED)) {
    const limit = settings[key as keyof typeof DIVIDED];
    if (limit > 0 && limit < workers) {
      throw new ProxyError(
        'workers',
        `${flag} ${limit} is less than --workers ${workers}, which divide it: one of them would have none`,
      );
    }
  }
}
