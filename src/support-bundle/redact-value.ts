/**
 * Data from JSON without what may be a secret: the routes of a cluster, what a sidecar answers, lines of its log.
 *
 * Stage before: `collection.ts`. Stage after: `redact-text.ts`, for the strings that are kept. The place of a value decides: a header value
 * that a filter sets is always left out; a value that a match compares is kept unless the name of the field is sensitive. Strings that
 * contain JSON are treated in the same way.
 */
import { jsonSpans } from './json-spans.ts';
import type { KnownSecrets } from './known-secrets.ts';
import { redactLines } from './redact-lines.ts';
import { nameAtEnd, redactText } from './redact-text.ts';
import { count, isSensitiveName, LEFT_OUT, type Tally } from './sensitive.ts';

export interface Redaction {
  readonly tally: Tally;
  readonly known: KnownSecrets;
}

/** Names of fields of Kubernetes and sideroute that only sound sensitive. */
const HARMLESS_NAMES: ReadonlySet<string> = new Set([
  ...['secretName', 'sessionAffinity', 'sessionName', 'allowCredentials', 'tokenExpirationSeconds', 'key'],
  ...['automountServiceAccountToken', 'imagePullSecrets', 'secretRef', 'secretKeyRef', 'configMapKeyRef'],
]);
/** Objects of Kubernetes that refer to a secret without containing it. */
const REFERENCES: ReadonlySet<string> = new Set([
  ...['secret', 'secretRef', 'secretKeyRef', 'imagePullSecrets', 'secrets', 'serviceAccountToken'],
  ...['sessionAffinityConfig', 'tokenRequests', 'cookieConfig'],
]);
/** Deeper nesting does not occur in real objects. */
const MAX_DEPTH = 60;

/** `place`: path of the value, for the list of redactions. */
export function redactValue(value: unknown, redaction: Redaction, place = '', depth = 0): unknown {
  if (typeof value === 'string') return redactString(value, redaction, place, depth);
  if (typeof value !== 'object' || value === null) return value;
  if (depth > MAX_DEPTH) return leaveOut(redaction, `${place} (too deep)`);
  if (Array.isArray(value)) {
    const always = /(?:^|\.)(?:set|add|env)$/.test(place);
    return value.map((item: unknown, index) => {
      const at = `${place}[${index}]`;
      if (isPair(item)) return redactPair(item, always, redaction, at, depth);
      if (isRow(item) && isSensitiveName(item[0])) return [item[0], hide(item[1], item[0], redaction, at)];
      return redactValue(item, redaction, at, depth + 1);
    });
  }
  if (isPair(value)) return redactPair(value, false, redaction, place, depth);
  const isSecret = 'kind' in value && value.kind === 'Secret';
  const setsHeaders = /HeaderModifier\.(?:set|add)$/.test(place);
  const entries = Object.entries(value).map(([name, inner]) => {
    // Another version may answer with an object of headers by name.
    const kept = redactName(name, redaction);
    const at = place === '' ? kept : `${place}.${kept}`;
    if (isSecret && (name === 'data' || name === 'stringData'))
      return [kept, hideLeaves(inner, name, redaction, at, depth + 1)];
    if (setsHeaders && isLeaf(inner)) return [kept, hide(inner, name, redaction, at)];
    if (REFERENCES.has(name) || !isSensitiveName(name)) return [kept, redactValue(inner, redaction, at, depth + 1)];
    if (isLeaf(inner))
      return [
        kept,
        HARMLESS_NAMES.has(name) ? redactValue(inner, redaction, at, depth + 1) : hide(inner, name, redaction, at),
      ];
    return [kept, hideLeaves(inner, name, redaction, at, depth + 1)];
  });
  return Object.fromEntries(entries);
}

/** Below a sensitive name, only the structure is kept. */
function hideLeaves(value: unknown, name: string, redaction: Redaction, place: string, depth: number): unknown {
  if (typeof value === 'boolean' || value === null || value === undefined) return value;
  if (typeof value !== 'object') return hide(value, name, redaction, place);
  if (depth > MAX_DEPTH) return leaveOut(redaction, `${place} (too deep)`);
  if (Array.isArray(value))
    return value.map((item, index) => hideLeaves(item, name, redaction, `${place}[${index}]`, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([field, inner]) => {
      const kept = redactName(field, redaction);
      return [kept, hideLeaves(inner, name, redaction, `${place}.${kept}`, depth + 1)];
    }),
  );
}

interface Pair {
  readonly name?: string;
  readonly key?: string;
  readonly value: string;
}

/** `{name, value}` or `{key, value}`. */
function isPair(item: unknown): item is Pair {
  const { name, key, value } = (item ?? {}) as Partial<Record<'name' | 'key' | 'value', unknown>>;
  return typeof (name ?? key) === 'string' && typeof value === 'string';
}

/** A pair as returned by `Object.entries`. */
function isRow(item: unknown): item is readonly [string, unknown] {
  return Array.isArray(item) && item.length === 2 && typeof item[0] === 'string' && isLeaf(item[1]);
}

/** `always`: the value is left out whatever its name is. */
function redactPair(item: Pair, always: boolean, redaction: Redaction, place: string, depth: number): unknown {
  const { value, ...rest } = item;
  const name = item.name ?? item.key ?? '';
  const at = place === '' ? 'value' : `${place}.value`;
  const { name: first, key, ...others } = redactValue(rest, redaction, place, depth + 1) as Record<string, unknown>;
  const shown =
    always || isSensitiveName(name)
      ? hide(value, name, redaction, `${at} (${redactName(name, redaction)})`)
      : redactString(value, redaction, at, depth);
  return {
    ...(first === undefined ? {} : { name: first }),
    ...(key === undefined ? {} : { key }),
    ...{ value: shown, ...others },
  };
}

/** Keys such as names of labels are kept, but one may contain a secret by mistake, so they are redacted as text. */
function redactName(name: string, { tally }: Redaction): string {
  return redactText(name, tally);
}

function isLeaf(value: unknown): boolean {
  return (
    typeof value === 'string' ||
    typeof value === 'number' ||
    (Array.isArray(value) && value.every((item) => typeof item !== 'object'))
  );
}

/** Leaves the value out here, and remembers it, so that it is removed everywhere. */
export function hide(value: unknown, name: string, { tally, known }: Redaction, place: string): string {
  for (const each of Array.isArray(value) ? value : [value]) {
    if (typeof each === 'string') known.add(each, name);
  }
  count(tally, place);
  return LEFT_OUT;
}

function leaveOut({ tally }: Redaction, place: string): string {
  count(tally, place);
  return LEFT_OUT;
}

/** Redacts a text and the JSON in it: the whole text, or parts of it between words. */
function redactString(text: string, redaction: Redaction, place: string, depth: number): string {
  const { tally, known } = redaction;
  const pieces: string[] = [];
  let from = 0;
  for (const { start, end } of depth < MAX_DEPTH ? jsonSpans(text) : []) {
    const json = text.slice(start, end);
    // JSON without a string contains no secret. It may be part of a word, as in `/a?b[0]=c`.
    const inner = json.includes('"') ? parsed(json) : null;
    if (typeof inner !== 'object' || inner === null) continue;
    const before = text.slice(from, start);
    const name = nameAtEnd(before);
    // Only an object can be a reference. A list is hidden.
    const isSecret = name !== null && (Array.isArray(inner) || !REFERENCES.has(name));
    const shown = isSecret
      ? hideLeaves(inner, name, redaction, redactName(name, redaction), depth + 1)
      : redactValue(inner, redaction, place, depth + 1);
    pieces.push(redactText(before, tally, known), JSON.stringify(shown));
    from = end;
  }
  pieces.push(redactText(text.slice(from), tally, known));
  return pieces.join('');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

/** Redacts a log line by line: JSON by the place of its values, everything else as text. */
export function redactLog(text: string, { tally, known }: Redaction): string {
  return redactLines(text, tally, (line) => redactString(line, { tally, known }, '', 0));
}
