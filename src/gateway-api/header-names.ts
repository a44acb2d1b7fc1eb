/**
 * Header names of one list: a name may stand once. Two spellings of one name are taken, and the first counts.
 *
 * Used by `matches.ts` and `filters.ts`.
 */
import { quote } from './limits.ts';
import type { Report } from './report.ts';

export class HeaderNames {
  readonly #spellings = new Set<string>();
  readonly #names = new Set<string>();

  /** Whether the name is new to the list; reported when it is not. */
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
