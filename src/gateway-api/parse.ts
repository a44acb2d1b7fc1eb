/**
 * Route file text to validated, defaulted resources.
 *
 * Stage before: `config/route-directory.ts` has read the file. Stage after: `config/attach.ts`. A pure function: the same
 * text gives the same result, which makes it safe to skip files that have not changed.
 */
import { finish, type Steps } from '../slices.ts';
import { AssumedNamespace } from './assumed-namespace.ts';
import { ConfigMapDocuments } from './config-maps.ts';
import { KINDS, LIST_KINDS, readDocument } from './documents.ts';
import { IgnoredKinds } from './foreign-kinds.ts';
import { PARSE_LIMITS, SHARD_LIMITS, type TextLimits } from './limits.ts';
import type { ProblemCode } from './problem-codes.ts';
import type { RegexVerdict, ValidateRegex } from './regex-checks.ts';
import { LineIndex, Report } from './report.ts';
import type { TreeDocument } from './tree.ts';
import type { ParsedFile, Problem, Resource } from './types.ts';
import { readTrees, type TextLayout } from './yaml-tree.ts';

export interface ParseOptions {
  /**
   * Namespace of documents that name none, as with `kubectl -n`: null is one that is not known, for which `default` stands
   * in. Both are said in a note. Absent: `default`, and nothing is said.
   */
  readonly defaultNamespace?: string | null;
  /** Judges a regular expression. Absent: every one is taken. */
  readonly validateRegex?: ValidateRegex;
  /**
   * Throw `LongStretch` instead of reading a longer document that takes the full YAML parser, which cannot pause in it.
   * Absent: read all.
   */
  readonly maxStretch?: number | undefined;
  /**
   * The text is, or may be, what is given to a cluster rather than what a sidecar reads: ConfigMaps with routes in them are
   * part of the answer, and `files` of a directory that a sidecar would read all the same warn of them.
   */
  readonly manifests?: 'files' | 'any' | undefined;
  /** Absent: those of a route file, or of a shard of a route set. */
  readonly limits?: TextLimits | undefined;
  /** Absent: that of a route file. */
  readonly layout?: TextLayout | undefined;
}

/**
 * Everything in `text`, YAML or JSON, any number of documents. `file` is only repeated in problems and locations.
 *
 * Never throws, `maxStretch` aside. All problems of a document are reported, not just the first; a document with an error yields no resource
 * but, when it is a route, a `RefusedRoute`, and leaves the others alone. Text that is not YAML, or not a set of mappings,
 * is `unparsable`: then there are no resources, because what stands before or after the fault may be half of something.
 */
export function parseRouteFile(file: string, text: string, options: ParseOptions = {}): ParsedFile {
  return finish(parseRouteFileInSteps(file, text, options));
}

/** The same, pausing on the way. */
export function* parseRouteFileInSteps(file: string, text: string, options: ParseOptions = {}): Steps<ParsedFile> {
  const lines = new LineIndex(text);
  const faults: Problem[] = [];
  const fail = (document: number, code: ProblemCode, offset: number, message: string): void => {
    const report = new Report(file, document, lines);
    report.error(code, '', offset, message);
    faults.push(...report.problems);
  };
  const unparsable = (): ParsedFile => ({ file, unparsable: true, resources: [], problems: faults });

  const limits = options.limits ?? (options.layout === 'route-set' ? SHARD_LIMITS : PARSE_LIMITS);
  const unreadable = yield* findUnreadable(text, limits.bytes);
  if (unreadable !== null) {
    fail(1, unreadable.code, unreadable.offset, unreadable.message);
    return unparsable();
  }
  const documentOptions = {
    defaultNamespace: options.defaultNamespace ?? 'default',
    validateRegex: options.validateRegex ?? ((): RegexVerdict => ({ fault: null, unportable: null, size: 0 })),
  };
  const resources: Resource[] = [];
  const problems: Problem[] = [];
  const assumed = new AssumedNamespace();
  const configMaps = options.manifests === undefined ? null : new ConfigMapDocuments(text);
  const ignored = new IgnoredKinds(KINDS, [...KINDS, ...LIST_KINDS], configMaps, options.manifests !== 'any');
  const lost = { services: [] as string[], unidentified: false };
  const visit = function* (document: TreeDocument): Steps<void> {
    const { root, index } = document;
    if (root.type === 'map') {
      yield* readDocument(file, document, lines, documentOptions, { resources, problems, assumed, ignored, lost });
      return;
    }
    const found = root.type === 'list' ? 'a list' : 'plain text';
    fail(
      index,
      'not-a-resource',
      root.offset,
      `must be a mapping with apiVersion, kind, metadata and spec, got ${found}`,
    );
  };
  const syntaxFaults = yield* readTrees(text, visit, options.maxStretch, limits, options.layout);
  if (syntaxFaults.length > 0) faults.length = 0;
  for (const { document, code, offset, message } of syntaxFaults) fail(document, code, offset, message);
  problems.push(...ignored.note());
  if (options.defaultNamespace !== undefined) problems.push(...assumed.note(options.defaultNamespace));
  if (faults.length > 0) return unparsable();
  const found = {
    ...{ file, unparsable: false, resources, problems },
    ...(lost.services.length > 0 ? { refusedServices: lost.services } : {}),
    ...(lost.unidentified ? { unidentified: true } : {}),
  };
  return configMaps === null ? found : { ...found, configMaps: configMaps.documents };
}

const CONTROL_CHARACTER = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

const WINDOW_LENGTH = 256 * 1024;

/** Text that is none: too large to look at, binary, or decoded from bytes that are not UTF-8. */
function* findUnreadable(
  text: string,
  maxBytes: number,
): Steps<{ code: ProblemCode; offset: number; message: string } | null> {
  const bytes = Buffer.byteLength(text);
  if (bytes > maxBytes) {
    return { code: 'too-large', offset: 0, message: `must have at most ${maxBytes} bytes, got ${bytes}` };
  }
  for (let start = 0; start < text.length; start += WINDOW_LENGTH) {
    const found = text.slice(start, start + WINDOW_LENGTH).search(CONTROL_CHARACTER);
    if (found >= 0) {
      const offset = start + found;
      const name = `U+${text.charCodeAt(offset).toString(16).toUpperCase().padStart(4, '0')}`;
      const message = `must be UTF-8 text without control characters, got ${name}`;
      return { code: 'binary-content', offset, message };
    }
    yield;
  }
  // The decoder puts U+FFFD where bytes were not UTF-8; nobody writes it on purpose.
  const replaced = text.indexOf('\ufffd');
  if (replaced < 0) return null;
  return { code: 'invalid-utf8', offset: replaced, message: 'must be UTF-8, but has bytes that are not' };
}
