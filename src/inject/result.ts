/**
 * What came of a manifest: the text, or the reasons there is none, and one line for each workload.
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
  /** `skipped`: refused, and left as it is because that was asked for. */
  readonly action: 'injected' | 'uninjected' | 'untouched' | 'skipped';
  /** What else there is to say; may be empty. */
  readonly detail: string;
}

export interface ManifestResult {
  /** Null: refused, `problems` say why. Never half. */
  readonly text: string | null;
  readonly problems: readonly Problem[];
  /** Reasons against workloads, or whole documents, that were skipped. */
  readonly skipped: readonly Problem[];
  readonly workloads: readonly WorkloadResult[];
}

/** What comes of one part of a file. Catches refusals and turns them into problems. */
export class ManifestRun {
  readonly problems: Problem[] = [];
  readonly workloads: WorkloadResult[] = [];
  /** The part is not even YAML, or has aliases of what stands elsewhere. */
  fragmentary = false;
  /** Whether offsets still refer to what the user has; else lines would mislead. */
  linesKnown = true;
  /** Workloads with a problem, by `keyOf`; null when a problem is with the part as such. */
  refused: Map<string, Workload> | null = new Map<string, Workload>();
  readonly #file: string;
  readonly #part: Part;
  readonly #lines: LineIndex;
  readonly #skipped: ReadonlySet<string>;

  /** `lines`: of the whole file. `skipped`: workloads that are not looked at, by `keyOf`. */
  constructor(file: string, part: Part, lines: LineIndex, skipped: ReadonlySet<string> = new Set()) {
    this.#file = file;
    this.#part = part;
    this.#lines = lines;
    this.#skipped = skipped;
  }

  get failed(): boolean {
    return this.problems.length > 0;
  }

  /** For the same part, empty: to read a change of it again. */
  again(): ManifestRun {
    return new ManifestRun(this.#file, this.#part, this.#lines, this.#skipped);
  }

  /** The part as it is, or after a first change of it. */
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

  /** The workloads of a document; none when it has one that cannot be read. */
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

  /** `workload`: null when it is the document, or the part, that is refused. */
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

/** Tells the workloads of a part from each other. */
export function keyOf({ document, prefix }: Workload): string {
  return `${document.index} ${prefix}`;
}
