/**
 * Turns the text of a route file into validated resources with defaults.
 *
 * Stage before: `config/route-directory.ts` has read the file. Stage after: `config/attach.ts`. A pure function: the
 * same text gives the same result, so unchanged files can be skipped.
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
   * Namespace of documents without one, as with `kubectl -n`. Null: unknown, so `default` is used. In both cases a note
   * reports it. Absent: `default` without a note.
   */
  readonly defaultNamespace?: string | null;
  /** Checks a regular expression. Absent: all are accepted. */
  readonly validateRegex?: ValidateRegex;
  /**
   * When a longer document needs the full YAML parser, `LongStretch` is thrown instead of reading it, because that
   * parser cannot pause. Absent: no limit.
   */
  readonly maxStretch?: number | undefined;
  /**
   * The text is, or may be, a manifest for a cluster instead of a file for a sidecar. ConfigMaps with routes are then
   * part of the result. `files`: the text comes from a directory that a sidecar could read as well, so there is also a
   * warning about them.
   */
  readonly manifests?: 'files' | 'any' | undefined;
  /** Default: the limits of a route file, or of a shard of a route set. */
  readonly limits?: TextLimits | undefined;
  /** Default: the layout of a route file. */
  readonly layout?: TextLayout | undefined;
}

/**
 * Reads all documents in `text`, YAML or JSON. `file` is only used in problems and locations.
 *
 * Never throws, except for `maxStretch`. All problems of a document are reported, not only the first. A document with
 * an error yields no resource (a route yields a `RefusedRoute`) and does not affect other documents. Text that is not
 * YAML, or does not consist of mappings, is `unparsable` and yields no resources, because the parts before and after
 * the fault may be incomplete.
 */
export function parseRouteFile(file: string, text: string, options: ParseOptions = {}): ParsedFile {
  return finish(parseRouteFileInSteps(file, text, options));
}

/** Like `parseRouteFile`, with pauses. */
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

/** Finds content that is not readable text: too large, binary, or decoded from bytes that are not UTF-8. */
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
  // The decoder writes U+FFFD for bytes that are not UTF-8; it does not occur in normal text.
  const replaced = text.indexOf('\ufffd');
  if (replaced < 0) return null;
  return { code: 'invalid-utf8', offset: replaced, message: 'must be UTF-8, but has bytes that are not' };
}
