/**
 * The slots for series in a thread that does not assign ids: it uses the ids in decisions, which the main thread has
 * assigned.
 *
 * Stage before: `metrics.ts` of such a thread. When another series takes over a slot, the counts in the slot are sent
 * away first.
 */
import type { SeriesLabels } from '../routing/decision.ts';
import { SLOT_MASK, type Slots } from './series-slots.ts';

const NONE = -1;

export class FollowedSlots implements Slots {
  readonly folded = 0;
  readonly other: number;
  readonly #onReplaced: () => void;
  /** By slot: the id that uses it. */
  readonly #current = new Int32Array(SLOT_MASK + 1).fill(NONE);
  #ids: number[] = [];

  /** `onReplaced` must take the counts of all slots. */
  constructor(maxSeries: number, onReplaced: () => void) {
    this.other = maxSeries;
    this.#onReplaced = onReplaced;
  }

  /** Hot path. */
  slotOf(id: number): number {
    const slot = id & SLOT_MASK;
    if (this.#current[slot] !== id) this.#follow(slot, id);
    return slot;
  }

  labels(): SeriesLabels | null {
    return null;
  }

  get ids(): readonly number[] {
    return this.#ids;
  }

  intern(): number {
    return this.other;
  }

  beginCompile(): void {
    // Only the main thread assigns slots.
  }

  endCompile(): void {
    // Only the main thread assigns slots.
  }

  expire(): void {
    // Only the main thread assigns slots.
  }

  #follow(slot: number, id: number): void {
    const before = this.#current[slot]!;
    if (before !== NONE) {
      this.#onReplaced();
      this.#ids = this.#ids.filter((known) => known !== before);
    }
    this.#current[slot] = id;
    this.#ids.push(id);
  }
}
