/**
 * Has a manifest changed part by part, and puts together what came of it.
 *
 * Stage before: `parts.ts`. Stage after: `inject.ts` and `uninject.ts` change one part; `cli/inject.ts` shows the result.
 */
import { LineIndex } from '../gateway-api/report.ts';
import type { Problem } from '../gateway-api/types.ts';
import { documentParts, entryParts, type DocumentPart, type Part } from './parts.ts';
import { ManifestRun, type ManifestResult, type WorkloadResult } from './result.ts';

/** The text of a part after the change; null when `run` has refused it. */
export type ChangePart = (run: ManifestRun, part: Part) => string | null;

/** A document is read in a few milliseconds up to this length; of a longer List the entries are changed one by one. */
const LONG_DOCUMENT = 64 * 1024;

/** `longDocument`: for tests. */
export function changeByParts(
  file: string,
  text: string,
  change: ChangePart,
  longDocument = LONG_DOCUMENT,
): ManifestResult {
  const changes = new Changes(file, new LineIndex(text), change);
  const texts: string[] = [];
  for (const part of documentParts(text)) {
    const entries = part.text.length > longDocument ? entryParts(part) : null;
    texts.push((entries === null ? null : changes.entries(part, entries)) ?? changes.whole(part));
  }
  const { problems, workloads } = changes;
  return { text: problems.length > 0 ? null : texts.join(''), problems, workloads };
}

class Changes {
  readonly problems: Problem[] = [];
  readonly workloads: WorkloadResult[] = [];
  readonly #file: string;
  readonly #lines: LineIndex;
  readonly #change: ChangePart;

  constructor(file: string, lines: LineIndex, change: ChangePart) {
    this.#file = file;
    this.#lines = lines;
    this.#change = change;
  }

  whole(part: Part): string {
    const run = new ManifestRun(this.#file, part, this.#lines);
    const text = this.#change(run, part) ?? '';
    this.#take([run]);
    return text;
  }

  /** Null when the document has to be read as a whole: something in it is not what it looks like. */
  entries({ text }: DocumentPart, entries: readonly Part[]): string | null {
    const [first] = entries;
    const head = text.slice(0, first!.start);
    const foot = text.slice(text.length - (first!.text.length - first!.end));
    const runs: ManifestRun[] = [];
    let changed = head;
    // Between two entries of JSON stands a comma.
    let behind = head.length;
    for (const part of entries) {
      const run = new ManifestRun(this.#file, part, this.#lines);
      const result = this.#change(run, part);
      if (run.fragmentary) return null;
      if (result !== null && !(result.startsWith(head) && result.endsWith(foot))) return null;
      const start = part.offsetOf(part.start) - part.offsetOf(0);
      changed += text.slice(behind, start) + (result ?? '').slice(head.length, (result ?? '').length - foot.length);
      behind = start + part.end - part.start;
      runs.push(run);
    }
    this.#take(runs);
    return changed + text.slice(behind);
  }

  #take(runs: readonly ManifestRun[]): void {
    for (const run of runs) {
      this.problems.push(...run.problems);
      this.workloads.push(...run.workloads);
    }
  }
}
