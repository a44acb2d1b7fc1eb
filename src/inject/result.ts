/**
 * The result for a manifest: the text, or the reasons why there is none, and one line for each workload.
 *
 * Filled by `inject.ts` and `uninject.ts` part by part, shown by `cli/inject.ts`.
 */
import { LineIndex } from '../gateway-api/report.ts';
import type { Problem } from '../gateway-api/types.ts';
import { readManifest, Refusal, SyntaxRefusal, type Manifest, type ManifestDocument } from './manifest.ts';
import type { Part } from './parts.ts';
import { findWorkloads, type Workload } from './workloads.ts';

export interface WorkloadResult {
  readonly file: string;
  readonly document: number;
  /** `Deployment shop/cart`. */
  readonly resource: string;
  /** `skipped`: refused, and left unchanged on request. */
  readonly action: 'injected' | 'uninjected' | 'untouched' | 'skipped';
  /** Further information; may be empty. */
  readonly detail: string;
}

export interface ManifestResult {
  /** Null when refused; `problems` has the reasons. Never incomplete. */
  readonly text: string | null;
  readonly problems: readonly Problem[];
  /** Reasons why workloads or whole documents were skipped. */
  readonly skipped: readonly Problem[];
  readonly workloads: readonly WorkloadResult[];
}

/** The result for one part of a file. Catches refusals and turns them into problems. */
export class ManifestRun {
  readonly problems: Problem[] = [];
  readonly workloads: WorkloadResult[] = [];
  /** True when the part is not YAML by itself, or has aliases whose anchors are elsewhere. */
  fragmentary = false;
  /** False when offsets no longer refer to the user's text, so line numbers would be wrong. */
  linesKnown = true;
  /** Workloads with a problem, by `keyOf`; null when the part itself has one. */
  refused: Map<string, Workload> | null = new Map<string, Workload>();
  readonly #file: string;
  readonly #part: Part;
  readonly #lines: LineIndex;
  readonly #skipped: ReadonlySet<string>;

  /** `lines`: of the whole file. `skipped`: workloads to ignore, by `keyOf`. */
  constructor(file: string, part: Part, lines: LineIndex, skipped: ReadonlySet<string> = new Set()) {
    this.#file = file;
    this.#part = part;
    this.#lines = lines;
    this.#skipped = skipped;
  }

  get failed(): boolean {
    return this.problems.length > 0;
  }

  /** A new, empty run for the same part: to read its changed text. */
  again(): ManifestRun {
    return new ManifestRun(this.#file, this.#part, this.#lines, this.#skipped);
  }

  /** Reads the part, or its text after a first change. */
  parse(text: string): Manifest | null {
    try {
      const manifest = readManifest(text, this.#part);
      if (!manifest.complete) this.fragmentary = true;
      return manifest;
    } catch (error) {
      if (!(error instanceof SyntaxRefusal)) throw error;
      this.fragmentary = true;
      this.refuse(error.document, null, error);
      return null;
    }
  }

  /** The workloads of a document; none when one of them is unreadable. */
  workloadsOf(document: ManifestDocument): readonly Workload[] {
    try {
      return findWorkloads(document).filter((workload) => !this.#skipped.has(keyOf(workload)));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.refuse(document.index, null, error);
      return [];
    }
  }

  attempt(workload: Workload, change: () => void): void {
    try {
      change();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.refuse(workload.document.index, workload, error);
    }
  }

  /** `workload`: null when the document or the part is refused. */
  refuse(document: number, workload: Workload | null, { code, path, offset, message }: Refusal): void {
    if (workload === null) this.refused = null;
    else this.refused?.set(keyOf(workload), workload);
    const resource = workload?.label ?? null;
    const line = this.linesKnown ? this.#lines.lineOf(this.#part.offsetOf(offset)) : null;
    this.problems.push({ severity: 'error', code, file: this.#file, document, line, resource, path, message });
  }

  report({ document, label }: Workload, action: WorkloadResult['action'], detail: string): void {
    this.workloads.push({ file: this.#file, document: document.index, resource: label, action, detail });
  }
}

/** Identifies a workload within a part. */
export function keyOf({ document, prefix }: Workload): string {
  return `${document.index} ${prefix}`;
}
