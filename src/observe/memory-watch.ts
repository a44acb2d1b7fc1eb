/**
 * The memory limit of the sidecar: found at the start, enforced by the addon, reported to the log.
 *
 * Stage before: the composition root. Stage after: the addon, which sheds load; `connection-families.ts` shows the
 * figures.
 */
import type { MemoryState, NativeBinding } from '../addon/binding.ts';
import { findMemoryLimit, type MemoryLimit } from '../addon/memory-limit.ts';
import { ProxyError } from '../errors.ts';
import type { Logger } from '../log.ts';

export interface MemoryWatchOptions {
  readonly native: NativeBinding;
  readonly logger: Logger;
  /** Bytes; 0: no limit; null: the limit of the cgroup. */
  readonly limit: number | null;
}

export class MemoryWatch {
  readonly #native: NativeBinding;
  readonly #logger: Logger;
  /** Workers that refuse requests. Each decides by its own reading of the same figures. */
  readonly #overloaded = new Set<number>();
  #sinceMs = 0;
  /** Null: no limit. */
  readonly limit: MemoryLimit | null;

  /** @throws ProxyError `memory-limit` when the memory files of the kernel cannot be read */
  constructor({ native, logger, limit: override }: MemoryWatchOptions) {
    this.#native = native;
    this.#logger = logger;
    const limit = findMemoryLimit(override);
    this.limit = limit;
    if (limit === null) {
      logger.info('no memory limit', { source: override === 0 ? '--memory-limit' : null });
      return;
    }
    const { bytes, usage, statistics, countsSockets, source } = limit;
    try {
      native.guardMemory({
        ...{ bytes, usage, statistics, countsSockets },
        onOverload: (overloaded) => this.overloaded(0, overloaded),
      });
    } catch (cause) {
      throw new ProxyError('memory-limit', `cannot watch the memory limit: ${(cause as Error).message}`, { cause });
    }
    logger.info('memory limit', { bytes, source, usage });
  }

  get state(): MemoryState {
    return this.#native.memory();
  }

  /** Call this only when nothing waits: it takes as long as a full garbage collection. */
  giveBack(): void {
    this.#native.returnMemory();
  }

  /** Logged when the first worker begins to refuse, and when the last one stops. */
  overloaded(worker: number, overloaded: boolean): void {
    const logger = this.#logger;
    const before = this.#overloaded.size > 0;
    if (overloaded) this.#overloaded.add(worker);
    else this.#overloaded.delete(worker);
    if (before === this.#overloaded.size > 0) return;
    const { limitBytes, usageBytes, closed } = this.state;
    if (overloaded) {
      this.#sinceMs = performance.now();
      logger.warn('memory is short: requests are refused', { reason: 'overload', limitBytes, usageBytes, closed });
    } else {
      const durationMs = Math.round(performance.now() - this.#sinceMs);
      logger.info('memory suffices again', { limitBytes, usageBytes, closed, durationMs });
    }
  }
}
