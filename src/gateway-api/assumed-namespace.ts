/**
 * Counts the documents of a file that name no namespace, and says once for the file where they belong.
 *
 * Told by `documents.ts`, asked by `parse.ts`. One note for a file: whoever leaves the namespace out does so throughout.
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

  /** `namespace`: null when it is not known, and `default` stands in for it. */
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
