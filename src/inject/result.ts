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
  readonly action: 'injected' | 'uninjected' | 'untouched';
  /** What else there is to say; may be empty. */
  readonly detail: string;
}

export interface ManifestResult {
  /** Null: refused, `problems` say why. Never half. */
  readonly text: string | null;
  readonly problems: readonly Problem[];
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
  readonly #file: string;
  readonly #part: Part;
  readonly #lines: LineIndex;

  /** `lines`: of the whole file. */
  constructor(file: string, part: Part, lines: LineIndex) {
    this.#file = file;
    this.#part = part;
    this.#lines = lines;
  }

  get failed(): boolean {
    return this.problems.length > 0;
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
      return findWorkloads(document);
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
      this.refuse(workload.document.index, workload.label, error);
    }
  }

  refuse(document: number, resource: string | null, { code, path, offset, message }: Refusal): void {
    const line = this.linesKnown ? this.#lines.lineOf(this.#part.offsetOf(offset)) : null;
    this.problems.push({ severity: 'error', code, file: this.#file, document, line, resource, path, message });
  }

  report({ document, label }: Workload, action: WorkloadResult['action'], detail: string): void {
    this.workloads.push({ file: this.#file, document: document.index, resource: label, action, detail });
  }
}
