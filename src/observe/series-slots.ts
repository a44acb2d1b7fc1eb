/**
 * Assigns slots to series and decides when a slot is reused.
 *
 * Stage before: `metrics.ts`, which keeps the counters by slot. An id combines a slot and the number of times it was
 * assigned in one integer. So `slotOf` can map the id of a forgotten series to the slot of `other`.
 */
import type { SeriesLabels } from '../routing/decision.ts';

const SLOT_BITS = 12;
/** `id & SLOT_MASK` is the slot. */
export const SLOT_MASK = (1 << SLOT_BITS) - 1;
/** Ids stay within 31 bits, as the addon needs. */
const GENERATIONS = 1 << (31 - SLOT_BITS);

/** A series that is in no table is forgotten when nothing has been counted in it for this long. */
const IDLE_MS = 15 * 60_000;
/** The same when others find no room. Two scrapes at the usual interval have seen it by then. */
const IDLE_IN_NEED_MS = 2 * 60_000;

export interface SlotCounters {
  /** A number that grows with everything counted in the slot. */
  activity(slot: number): number;
  /** Sets all counters of the slot to 0. */
  clear(slot: number): void;
}

/** The part of the slots that counters use. */
export interface Slots {
  readonly folded: number;
  readonly other: number;
  readonly ids: readonly number[];
  slotOf(id: number): number;
  labels(slot: number): SeriesLabels | null;
  intern(labels: SeriesLabels): number;
  beginCompile(): void;
  endCompile(): void;
  expire(): void;
}

interface Entry {
  readonly key: string;
  readonly labels: SeriesLabels;
  readonly id: number;
  /** The last compilation that interned it. */
  compilation: number;
  /** Since when nothing has been counted, as far as known; null while the current table has it. */
  idleSinceMs: number | null;
  /** `SlotCounters.activity` at that time. */
  activity: number;
}

export class SeriesSlots implements Slots {
  /** Label sets of the current table that found no room. */
  folded = 0;
  /** Id of the series for everything without a slot. */
  readonly other: number;
  private readonly maxSeries: number;
  private readonly now: () => number;
  private readonly counters: SlotCounters;
  private readonly entries: (Entry | null)[] = [];
  private readonly byKey = new Map<string, Entry>();
  private readonly free: number[] = [];
  /** By slot: the one id that is valid. */
  private readonly current: Int32Array;
  private compilation = 0;
  /** Label sets without room in this compilation so far. */
  private homeless = 0;
  private list: readonly number[] | null = null;

  /** `maxSeries`: fewer than 4,096. `now`: monotonic milliseconds. */
  constructor(maxSeries: number, now: () => number, counters: SlotCounters) {
    this.maxSeries = maxSeries;
    this.now = now;
    this.counters = counters;
    this.other = maxSeries;
    this.current = Int32Array.from({ length: SLOT_MASK + 1 }, (_, slot) => slot);
  }

  /** Hot path. */
  slotOf(id: number): number {
    const slot = id & SLOT_MASK;
    return this.current[slot] === id ? slot : this.other;
  }

  /** Null for `other`. */
  labels(slot: number): SeriesLabels | null {
    return this.entries[slot]?.labels ?? null;
  }

  get ids(): readonly number[] {
    return (this.list ??= [...this.entries.flatMap((entry) => (entry === null ? [] : [entry.id])), this.other]);
  }

  intern(labels: SeriesLabels): number {
    const key = seriesKey(labels);
    let entry = this.byKey.get(key);
    if (entry === undefined) {
      const slot = this.takeSlot();
      if (slot === null) {
        this.homeless++;
        return this.other;
      }
      entry = { key, labels: { ...labels }, id: this.current[slot]!, compilation: 0, idleSinceMs: null, activity: 0 };
      this.entries[slot] = entry;
      this.byKey.set(key, entry);
      this.list = null;
    }
    entry.compilation = this.compilation;
    entry.idleSinceMs = null;
    return entry.id;
  }

  beginCompile(): void {
    this.compilation++;
    this.homeless = 0;
  }

  endCompile(): void {
    this.folded = this.homeless;
    for (const entry of this.byKey.values()) {
      if (entry.compilation === this.compilation || entry.idleSinceMs !== null) continue;
      entry.idleSinceMs = this.now();
      entry.activity = this.counters.activity(entry.id & SLOT_MASK);
    }
    this.expire();
  }

  expire(): void {
    for (const entry of this.byKey.values()) if (this.idleMs(entry) >= IDLE_MS) this.forget(entry);
  }

  private takeSlot(): number | null {
    if (this.free.length > 0) return this.free.pop()!;
    if (this.entries.length < this.maxSeries) return this.entries.length;
    // The first label set without room has already searched on behalf of the whole compilation.
    if (this.homeless > 0) return null;
    for (const entry of this.byKey.values()) if (this.idleMs(entry) >= IDLE_IN_NEED_MS) this.forget(entry);
    return this.free.pop() ?? null;
  }

  /** 0 for a series that is in the table, or that had a request since the last check. */
  private idleMs(entry: Entry): number {
    if (entry.idleSinceMs === null) return 0;
    const activity = this.counters.activity(entry.id & SLOT_MASK);
    if (activity !== entry.activity) {
      entry.activity = activity;
      entry.idleSinceMs = this.now();
    }
    return this.now() - entry.idleSinceMs;
  }

  private forget(entry: Entry): void {
    const slot = entry.id & SLOT_MASK;
    this.byKey.delete(entry.key);
    this.entries[slot] = null;
    this.counters.clear(slot);
    const generation = ((entry.id >>> SLOT_BITS) + 1) % GENERATIONS;
    this.current[slot] = generation * (SLOT_MASK + 1) + slot;
    this.free.push(slot);
    this.list = null;
  }
}

/** Equal for equal labels. */
export function seriesKey(labels: SeriesLabels): string {
  const { parentNamespace, parentName, parentPort, routeNamespace, routeName, rule } = labels;
  const { backendNamespace, backendName, backendPort } = labels;
  return JSON.stringify([
    ...[parentNamespace, parentName, parentPort, routeNamespace, routeName, rule],
    ...[backendNamespace, backendName, backendPort],
  ]);
}
