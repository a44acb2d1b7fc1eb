/**
 * The memory limit of the sidecar: found at the start, kept by the addon, told to the log.
 *
 * Stage before: the composition root. Stage after: the addon, which sheds; `connection-families.ts` shows the figures.
 */
import type { MemoryState, NativeBinding } from '../addon/binding.ts';
import { findMemoryLimit } from '../addon/memory-limit.ts';
import { ProxyError } from '../errors.ts';
import type { Logger } from '../log.ts';

export interface MemoryWatchOptions {
  readonly native: NativeBinding;
  readonly logger: Logger;
  /** Bytes; 0 for none; null for what the cgroup says. */
  readonly limit: number | null;
}

export class MemoryWatch {
  readonly #native: NativeBinding;
  #sinceMs = 0;

  /** @throws ProxyError `memory-limit` when what the kernel says of memory cannot be read */
  constructor({ native, logger, limit: override }: MemoryWatchOptions) {
    this.#native = native;
    const limit = findMemoryLimit(override);
    if (limit === null) {
      logger.info('no memory limit', { source: override === 0 ? '--memory-limit' : null });
      return;
    }
    const { bytes, usage, statistics, countsSockets, source } = limit;
    try {
      native.guardMemory({
        ...{ bytes, usage, statistics, countsSockets },
        onOverload: (overloaded) => this.#onOverload(overloaded, logger),
      });
    } catch (cause) {
      throw new ProxyError('memory-limit', `cannot watch the memory limit: ${(cause as Error).message}`, { cause });
    }
    logger.info('memory limit', { bytes, source, usage });
  }

  get state(): MemoryState {
    return this.#native.memory();
  }

  /** For a moment at which nobody waits: it takes as long as collecting all garbage. */
  giveBack(): void {
    this.#native.returnMemory();
  }

  #onOverload(overloaded: boolean, logger: Logger): void {
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
