/**
 * Keeps the conditions of routes up to date: recomputes them shortly after something about an address has changed.
 *
 * Stage before: the composition root, which has the attachment in force and reports every change. Stage after: the log,
 * the metrics and the private endpoint, which all show the same list.
 */
import type { Attachment, RouteCondition } from '../config/attachment.ts';
import type { Logger } from '../log.ts';
import { finish, type Slicer, type Steps } from '../slices.ts';
import { liveConditions, type KnowledgeSources } from './live-conditions.ts';

export interface ConditionTrackerOptions {
  /** The attachment in force. */
  readonly attachment: () => Attachment;
  readonly sources: KnowledgeSources;
  readonly slicer: Slicer;
  /** Called with each new list; calls do not overlap. */
  readonly onChange: (conditions: readonly RouteCondition[]) => Steps<void>;
  readonly logger: Logger;
  /** Delay in milliseconds, because many addresses often become known together. Default: 100. */
  readonly delayMs?: number;
}

/**
 * Pause after an update, as a multiple of its duration: it limits the time spent when thousands of addresses become
 * known one by one.
 */
const PAUSE_FACTOR = 20;

/** This many conditions are computed in a few milliseconds. */
const MOST_AT_ONCE = 500;

export class ConditionTracker {
  readonly #options: ConditionTrackerOptions;
  #conditions: readonly RouteCondition[] = [];
  /** The attachment of the current conditions. */
  #attachment: Attachment | null = null;
  /** Conditions of an attachment that is in force but not processed yet, computed early for a reader. */
  #early: { readonly attachment: Attachment; readonly conditions: readonly RouteCondition[] } | null = null;
  #updating = false;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;
  /** Duration of the last update, including other work in between. */
  #tookMs = 0;

  constructor(options: ConditionTrackerOptions) {
    this.#options = options;
  }

  /** Conditions of the attachment in force: the same array until they change. */
  get current(): readonly RouteCondition[] {
    const attachment = this.#options.attachment();
    if (attachment === this.#attachment) return this.#conditions;
    // The conditions according to the route files alone may be wrong. A very long list is still shown this way for a
    // moment, because computing it at once would delay requests.
    if (attachment.conditions.length > MOST_AT_ONCE) return attachment.conditions;
    if (attachment !== this.#early?.attachment) {
      this.#early = { attachment, conditions: finish(liveConditions(attachment, this.#options.sources)) };
    }
    return this.#early.conditions;
  }

  /** Something about an address has changed. */
  touch(): void {
    if (this.#closed) return;
    this.#timer ??= setTimeout(
      () => {
        this.#timer = null;
        this.#options.slicer.run(this.update()).catch((error: unknown) => {
          if (this.#closed) return;
          this.#options.logger.error('conditions of routes could not be worked out', { error: String(error) });
        });
      },
      Math.max(this.#options.delayMs ?? 100, this.#tookMs * PAUSE_FACTOR),
    ).unref();
  }

  /** Updates at once, for instance after a new attachment is in force. Waits for an update in progress. */
  *update(): Steps<void> {
    while (this.#updating) yield;
    this.#updating = true;
    try {
      const startedMs = performance.now();
      const attachment = this.#options.attachment();
      const conditions = yield* liveConditions(attachment, this.#options.sources);
      this.#tookMs = performance.now() - startedMs;
      if (attachment === this.#attachment && same(conditions, this.#conditions)) return;
      this.#attachment = attachment;
      this.#conditions = conditions;
      this.#early = null;
      yield* this.#options.onChange(conditions);
    } finally {
      this.#updating = false;
    }
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}

function same(a: readonly RouteCondition[], b: readonly RouteCondition[]): boolean {
  return (
    a.length === b.length &&
    a.every((one, index) => {
      const other = b[index]!;
      return (
        one === other || (one.status === other.status && one.reason === other.reason && one.message === other.message)
      );
    })
  );
}
