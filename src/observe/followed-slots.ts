/**
 * The slots for series of a thread that gives none away: it takes the ids that decisions have, which the main thread gave.
 *
 * Stage before: `metrics.ts` of such a thread. When a slot is another series' than before, what was counted in it is given away first.
 */
import type { SeriesLabels } from '../routing/decision.ts';
import { SLOT_MASK, type Slots } from './series-slots.ts';

const NONE = -1;

export class FollowedSlots implements Slots {
  readonly folded = 0;
  readonly other: number;
  readonly #onReplaced: () => void;
  /** By slot. */
  readonly #current = new Int32Array(SLOT_MASK + 1).fill(NONE);
  #ids: number[] = [];

  /** `onReplaced`: takes the counts of all slots. */
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
    // Nothing is given away here.
  }

  endCompile(): void {
    // Nothing is given away here.
  }

  expire(): void {
    // Nothing is given away here.
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
