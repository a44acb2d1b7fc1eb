/**
 * Counts the documents of a file without a namespace, and reports once which namespace they are given.
 *
 * Filled by `documents.ts`, read by `parse.ts`. There is one note for each file, because usually all documents of a
 * file lack the namespace.
 */
import type { Report } from './report.ts';
import type { Problem } from './types.ts';

const PATH = 'metadata.namespace';

export class AssumedNamespace {
  #first: { readonly report: Report; readonly offset: number } | null = null;
  #count = 0;

  add(report: Report, offset: number): void {
    this.#first ??= { report, offset };
    this.#count++;
  }

  /** `namespace`: null when it is unknown; `default` is used then. */
  note(namespace: string | null): readonly Problem[] {
    if (this.#first === null) return [];
    const { report, offset } = this.#first;
    const meaning =
      namespace === null
        ? 'the namespace of the pod is not known (--namespace or POD_NAMESPACE says it), so "default" is taken'
        : `the namespace of the pod is taken, "${namespace}"`;
    const others = this.#count - 1;
    const more = others === 0 ? '' : `; so it is with ${others} more of this file`;
    const own = report.detached();
    own.resource = report.resource;
    own.note('assumed-namespace', PATH, offset, `is not given: ${meaning}${more}`);
    return own.problems;
  }
}
