/**
 * The header names of one list; each may occur only once. When two names differ only by case, the first one counts.
 *
 * Used by `matches.ts` and `filters.ts`.
 */
import { quote } from './limits.ts';
import type { Report } from './report.ts';

export class HeaderNames {
  readonly #spellings = new Set<string>();
  readonly #names = new Set<string>();

  /** True when the name is new in the list; otherwise it is reported. */
  add(name: string, report: Report, path: string, offset: number): boolean {
    const key = name.toLowerCase();
    if (this.#spellings.has(name)) {
      report.error('duplicate-name', path, offset, `${quote(name)} stands twice in one list; keep one`);
    } else if (this.#names.has(key)) {
      const message = `${quote(name)} is another spelling of a name in this list; only the first entry counts`;
      report.warn('duplicate-name', path, offset, message);
    }
    const isNew = !this.#names.has(key);
    this.#spellings.add(name);
    this.#names.add(key);
    return isNew;
  }
}
