/**
 * Changes a manifest part by part and combines the results.
 *
 * Stage before: `parts.ts`. Stage after: `inject.ts` and `uninject.ts` change one part; `cli/inject.ts` shows the
 * result.
 */
import { LineIndex } from '../gateway-api/report.ts';
import type { Problem } from '../gateway-api/types.ts';
import { documentParts, entryParts, type DocumentPart, type Part } from './parts.ts';
import { ManifestRun, type ManifestResult, type WorkloadResult } from './result.ts';

/** Returns the changed text of a part; null when `run` has refused it. */
export type ChangePart = (run: ManifestRun, part: Part) => string | null;

/** Up to this length a document is read in a few milliseconds. In a longer List the entries are changed one by one. */
const LONG_DOCUMENT = 64 * 1024;

export interface PartsOptions {
  /** Refused objects pass through unchanged and do not stop the rest. */
  readonly skipRefused?: boolean | undefined;
  /** For tests. */
  readonly longDocument?: number | undefined;
}

export function changeByParts(
  file: string,
  text: string,
  change: ChangePart,
  { skipRefused = false, longDocument = LONG_DOCUMENT }: PartsOptions = {},
): ManifestResult {
  const changes = new Changes(file, new LineIndex(text), change, skipRefused);
  const texts: string[] = [];
  for (const part of documentParts(text)) {
    const entries = part.text.length > longDocument ? entryParts(part) : null;
    texts.push((entries === null ? null : changes.entries(part, entries)) ?? changes.whole(part));
  }
  const { problems, skipped, workloads } = changes;
  return { text: problems.length > 0 ? null : texts.join(''), problems, skipped, workloads };
}

/** The result of a part. */
interface PartResult {
  readonly text: string;
  readonly problems: readonly Problem[];
  readonly skipped: readonly Problem[];
  readonly workloads: readonly WorkloadResult[];
  readonly fragmentary: boolean;
}

class Changes {
  readonly problems: Problem[] = [];
  readonly skipped: Problem[] = [];
  readonly workloads: WorkloadResult[] = [];
  readonly #file: string;
  readonly #lines: LineIndex;
  readonly #change: ChangePart;
  readonly #skipRefused: boolean;

  constructor(file: string, lines: LineIndex, change: ChangePart, skipRefused: boolean) {
    this.#file = file;
    this.#lines = lines;
    this.#change = change;
    this.#skipRefused = skipRefused;
  }

  whole(part: Part): string {
    const result = this.#part(part);
    this.#take([result]);
    return result.text;
  }

  /** Null when the document must be read as a whole, because an entry was not what the layout suggested. */
  entries({ text }: DocumentPart, entries: readonly Part[]): string | null {
    const [first] = entries;
    const head = text.slice(0, first!.start);
    const foot = text.slice(text.length - (first!.text.length - first!.end));
    const results: PartResult[] = [];
    let changed = head;
    // Entries of JSON are separated by commas.
    let behind = head.length;
    for (const part of entries) {
      const result = this.#part(part);
      if (result.fragmentary || !(result.text.startsWith(head) && result.text.endsWith(foot))) return null;
      const start = part.offsetOf(part.start) - part.offsetOf(0);
      changed += text.slice(behind, start) + result.text.slice(head.length, result.text.length - foot.length);
      behind = start + part.end - part.start;
      results.push(result);
    }
    this.#take(results);
    return changed + text.slice(behind);
  }

  /** With `skipRefused`, repeats without the refused workloads, which may take several rounds. */
  #part(part: Part): PartResult {
    const skipped: Problem[] = [];
    const left: WorkloadResult[] = [];
    const keys = new Set<string>();
    for (;;) {
      const run = new ManifestRun(this.#file, part, this.#lines, keys);
      const text = this.#change(run, part) ?? part.text;
      const { problems, workloads, fragmentary, refused } = run;
      if (!this.#skipRefused || problems.length === 0) {
        return { text, problems, skipped, workloads: [...workloads, ...left].sort(byDocument), fragmentary };
      }
      skipped.push(...problems.map((problem) => ({ ...problem, severity: 'warning' as const })));
      if (refused === null) return { text: part.text, problems: [], skipped, workloads: left, fragmentary };
      for (const [key, { document, label }] of refused) {
        keys.add(key);
        const detail = 'refused, left as it is';
        left.push({ file: this.#file, document: document.index, resource: label, action: 'skipped', detail });
      }
    }
  }

  #take(results: readonly PartResult[]): void {
    for (const { problems, skipped, workloads } of results) {
      this.problems.push(...problems);
      this.skipped.push(...skipped);
      this.workloads.push(...workloads);
    }
  }
}

function byDocument(a: WorkloadResult, b: WorkloadResult): number {
  return a.document - b.document;
}
