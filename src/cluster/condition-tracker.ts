/**
 * Keeps the conditions of routes current: works them out again a moment after something about an address has changed.
 *
 * Stage before: the composition root, which has the attachment in force and is told of every change. Stage after: the log,
 * the metrics, the private endpoint, which all show the same list.
 */
import type { Attachment, RouteCondition } from '../config/attachment.ts';
import type { Logger } from '../log.ts';
import { finish, type Slicer, type Steps } from '../slices.ts';
import { liveConditions, type KnowledgeSources } from './live-conditions.ts';

export interface ConditionTrackerOptions {
  /** In force now. */
  readonly attachment: () => Attachment;
  readonly sources: KnowledgeSources;
  readonly slicer: Slicer;
  /** The list is another one; called one after the other. */
  readonly onChange: (conditions: readonly RouteCondition[]) => Steps<void>;
  readonly logger: Logger;
  /** Many addresses become known in one moment. Default 100. */
  readonly delayMs?: number;
}

/** Thousands of addresses that become known one after the other take at most this part of the time. */
const PAUSE_FACTOR = 20;

/** Worked out in a few milliseconds. */
const MOST_AT_ONCE = 500;

export class ConditionTracker {
  readonly #options: ConditionTrackerOptions;
  #conditions: readonly RouteCondition[] = [];
  /** What the conditions are of. */
  #attachment: Attachment | null = null;
  /** Those of an attachment that is in force, but was not worked out yet when somebody looked. */
  #early: { readonly attachment: Attachment; readonly conditions: readonly RouteCondition[] } | null = null;
  #updating = false;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;
  /** How long it took last time, what went on meanwhile included. */
  #tookMs = 0;

  constructor(options: ConditionTrackerOptions) {
    this.#options = options;
  }

  /** Of the attachment in force; the same array until there is another one. */
  get current(): readonly RouteCondition[] {
    const attachment = this.#options.attachment();
    if (attachment === this.#attachment) return this.#conditions;
    // What the route files say alone may be wrong. Of very many it is shown for a moment, for to work them out at once
    // would hold up requests.
    if (attachment.conditions.length > MOST_AT_ONCE) return attachment.conditions;
    if (attachment !== this.#early?.attachment) {
      this.#early = { attachment, conditions: finish(liveConditions(attachment, this.#options.sources)) };
    }
    return this.#early.conditions;
  }

  /** Something about an address is another one now. */
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

  /** At once, as after another attachment has come into force. Waits for one under way. */
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
