/**
 * Reduces any sequence of set, add and remove to the edits of one head.
 *
 * Stage before: the header modifiers of a rule and of a backendRef, in their order. Stage after: the `ForwardPlan` of a
 * decision. Not for the hot path.
 */
import type { HeaderModifier } from '../../gateway-api/types.ts';
import type { FieldEdits, FieldLine } from '../decision.ts';
import { toWire } from '../predicates.ts';

export const NO_EDITS: FieldEdits = { remove: [], append: [] };

export class FieldEditor {
  readonly #remove = new Set<string>();
  #append: FieldLine[] = [];

  /** Afterwards this is the only line of that name. */
  set(name: string, value: string): void {
    this.remove(name);
    this.add(name, value);
  }

  /** Appends a separate line after existing ones: two lines mean the same as one line `old,new`. */
  add(name: string, value: string): void {
    this.#append.push({ name, value });
  }

  /** Also removes what an earlier edit has appended. */
  remove(name: string): void {
    const key = name.toLowerCase();
    this.#remove.add(key);
    this.#append = this.#append.filter((line) => line.name.toLowerCase() !== key);
  }

  /** Returns `NO_EDITS` itself when there is nothing to do. */
  build(): FieldEdits {
    if (this.#remove.size === 0 && this.#append.length === 0) return NO_EDITS;
    return { remove: [...this.#remove], append: [...this.#append] };
  }
}

/** The three actions of one filter never share a name, so their order within it does not matter. */
export function applyModifier(editor: FieldEditor, modifier: HeaderModifier): void {
  for (const { name, value } of modifier.set) editor.set(name, toWire(value));
  for (const { name, value } of modifier.add) editor.add(name, toWire(value));
  for (const name of modifier.remove) editor.remove(name);
}

/** The lines of a head after the edits. Not for the hot path: engines edit while they copy. */
export function editLines(lines: readonly FieldLine[], edits: FieldEdits): FieldLine[] {
  return [...lines.filter(({ name }) => !edits.remove.includes(name.toLowerCase())), ...edits.append];
}
