/**
 * Logs the problems of a configuration, each only once while it lasts.
 *
 * Stage before: the composition root, after each apply.
 */
import type { Problem } from '../gateway-api/types.ts';
import type { Logger } from '../log.ts';
import type { Steps } from '../slices.ts';

const LEVELS = { error: 'error', warning: 'warn', note: 'info' } as const;

export class ProblemLog {
  readonly #logger: Logger;
  #logged: ReadonlySet<string> = new Set();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Updates must not overlap. */
  *update(problems: readonly Problem[]): Steps<void> {
    const seen = new Set<string>();
    for (const { severity, file, document, line, resource, path, message, code } of problems) {
      const key = JSON.stringify([severity, file, document, resource, path, message]);
      seen.add(key);
      yield;
      if (this.#logged.has(key)) continue;
      this.#logger[LEVELS[severity]](message, { code, file, document, line, resource, path });
    }
    this.#logged = seen;
  }
}
