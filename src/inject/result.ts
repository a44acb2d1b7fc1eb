/**
 * What came of a manifest: the text, or the reasons there is none, and one line for each workload.
 *
 * Filled by `inject.ts` and `uninject.ts`, shown by `cli/inject.ts`.
 */
import { LineIndex } from '../gateway-api/report.ts';
import type { Problem } from '../gateway-api/types.ts';
import { Refusal, SyntaxRefusal, type Manifest, type ManifestDocument } from './manifest.ts';
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

/** One pass over the documents of a file. Catches refusals and turns them into problems. */
export class ManifestRun {
  readonly #file: string;
  readonly #lines: LineIndex | null;
  readonly #problems: Problem[] = [];
  readonly #workloads: WorkloadResult[] = [];

  /** `text`: what offsets refer to; null when that is not what the user has, and lines would mislead. */
  constructor(file: string, text: string | null) {
    this.#file = file;
    this.#lines = text === null ? null : new LineIndex(text);
  }

  get failed(): boolean {
    return this.#problems.length > 0;
  }

  parse(read: () => Manifest): Manifest | null {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof SyntaxRefusal)) throw error;
      this.refuse(error.document, null, error);
      return null;
    }
  }

  /** The workloads of a document; none when it has one that cannot be read. */
  workloads(document: ManifestDocument): readonly Workload[] {
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
    const line = this.#lines?.lineOf(offset) ?? null;
    this.#problems.push({ severity: 'error', code, file: this.#file, document, line, resource, path, message });
  }

  report({ document, label }: Workload, action: WorkloadResult['action'], detail: string): void {
    this.#workloads.push({ file: this.#file, document: document.index, resource: label, action, detail });
  }

  result(text: string | null): ManifestResult {
    return { text: this.failed ? null : text, problems: this.#problems, workloads: this.#workloads };
  }
}
