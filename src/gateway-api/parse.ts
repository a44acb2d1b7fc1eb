/**
 * Route file text to validated, defaulted resources.
 *
 * Stage before: `config/route-directory.ts` has read the file. Stage after: `config/attach.ts`. A pure function: the same
 * text gives the same result, which makes it safe to skip files that have not changed.
 */
import { readDocument } from './documents.ts';
import { PARSE_LIMITS } from './limits.ts';
import type { ValidateRegex } from './matches.ts';
import type { ProblemCode } from './problem-codes.ts';
import { LineIndex, Report } from './report.ts';
import type { ParsedFile, Problem, Resource } from './types.ts';
import { readTrees } from './yaml-tree.ts';

export interface ParseOptions {
  /** Namespace of documents that name none: that of `kubectl` without configuration, `default`, when absent. */
  readonly defaultNamespace?: string;
  /** Says why a regular expression cannot be used, null when it can (SPEC M5). Absent: every one is taken. */
  readonly validateRegex?: ValidateRegex;
}

/**
 * Everything in `text`, YAML or JSON, any number of documents. `file` is only repeated in problems and locations.
 *
 * Never throws. All problems of a document are reported, not just the first; a document with an error yields no resource
 * but, when it is a route, a `RefusedRoute`, and leaves the others alone. Text that is not YAML, or not a set of mappings,
 * is `unparsable`: then there are no resources, because what stands before or after the fault may be half of something.
 */
export function parseRouteFile(file: string, text: string, options: ParseOptions = {}): ParsedFile {
  const lines = new LineIndex(text);
  const problems: Problem[] = [];
  const unparsable = (): ParsedFile => ({ file, unparsable: true, resources: [], problems });
  const fail = (document: number, code: ProblemCode, offset: number, message: string): void => {
    const report = new Report(file, document, lines);
    report.error(code, '', offset, message);
    problems.push(...report.problems);
  };

  const unreadable = findUnreadable(text);
  if (unreadable !== null) {
    fail(1, unreadable.code, unreadable.offset, unreadable.message);
    return unparsable();
  }
  const trees = readTrees(text);
  for (const { document, code, offset, message } of trees.syntaxFaults) fail(document, code, offset, message);
  for (const { root, index } of trees.documents) {
    if (root.type === 'map') continue;
    const found = root.type === 'list' ? 'a list' : 'plain text';
    fail(
      index,
      'not-a-resource',
      root.offset,
      `must be a mapping with apiVersion, kind, metadata and spec, got ${found}`,
    );
  }
  if (problems.length > 0) return unparsable();

  const documentOptions = {
    defaultNamespace: options.defaultNamespace ?? 'default',
    validateRegex: options.validateRegex ?? ((): null => null),
  };
  const resources: Resource[] = [];
  for (const document of trees.documents) {
    const result = readDocument(file, document, lines, documentOptions);
    resources.push(...result.resources);
    problems.push(...result.problems);
  }
  return { file, unparsable: false, resources, problems };
}

const CONTROL_CHARACTER = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

/** Text that is none: too large to look at, binary, or decoded from bytes that are not UTF-8. */
function findUnreadable(text: string): { code: ProblemCode; offset: number; message: string } | null {
  if (Buffer.byteLength(text) > PARSE_LIMITS.bytes) {
    const message = `must have at most ${PARSE_LIMITS.bytes} bytes, got ${Buffer.byteLength(text)}`;
    return { code: 'too-large', offset: 0, message };
  }
  const control = text.search(CONTROL_CHARACTER);
  if (control >= 0) {
    const found = `U+${text.charCodeAt(control).toString(16).toUpperCase().padStart(4, '0')}`;
    const message = `must be UTF-8 text without control characters, got ${found}`;
    return { code: 'binary-content', offset: control, message };
  }
  // The decoder puts U+FFFD where bytes were not UTF-8; nobody writes it on purpose.
  const replaced = text.indexOf('\ufffd');
  if (replaced < 0) return null;
  return { code: 'invalid-utf8', offset: replaced, message: 'must be UTF-8, but has bytes that are not' };
}
