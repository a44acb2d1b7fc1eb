/**
 * Data from JSON without what may be a secret: the routes of a cluster, what a sidecar answers, lines of its log.
 *
 * Stage before: `collection.ts`. Stage after: `redact-text.ts`, for the strings that are kept. By where a value stands: what a filter sets in a header is
 * left out always, what a match compares is kept unless the name of the field says otherwise. Strings that hold JSON are gone through like the rest.
 */
import { isSensitiveName, KnownSecrets, LEFT_OUT, count, redactText, type Tally } from './redact-text.ts';

export interface Redaction {
  readonly tally: Tally;
  readonly known: KnownSecrets;
}

/** Names that only sound like it, of fields of Kubernetes and of ours. */
const HARMLESS_NAMES: ReadonlySet<string> = new Set([
  ...['secretName', 'sessionAffinity', 'sessionName', 'allowCredentials', 'tokenExpirationSeconds', 'key'],
  ...['automountServiceAccountToken', 'imagePullSecrets', 'secretRef', 'secretKeyRef', 'configMapKeyRef'],
]);
/** Nobody nests deeper. */
const MAX_DEPTH = 60;

/** `place`: where it stands, for the list of what was left out. */
export function redactValue(value: unknown, redaction: Redaction, place = '', depth = 0): unknown {
  if (typeof value === 'string') return redactString(value, redaction, place, depth);
  if (typeof value !== 'object' || value === null) return value;
  if (depth > MAX_DEPTH) return leaveOut(redaction, `${place} (too deep)`);
  if (Array.isArray(value)) {
    const list = /(?:^|\.)(?:set|add|env)$/.test(place)
      ? 'headers'
      : /\.(?:headers|queryParams|httpHeaders)$/.test(place)
        ? 'matches'
        : '';
    return value.map((item: unknown, index) => {
      const at = `${place}[${index}]`;
      return list !== '' && isPair(item)
        ? redactPair(item, list === 'headers', redaction, at, depth)
        : redactValue(item, redaction, at, depth + 1);
    });
  }
  const entries = Object.entries(value).map(([name, inner]) => {
    const at = place === '' ? name : `${place}.${name}`;
    // A header by its name: what another version may answer.
    const kept = redactName(name, redaction);
    if (!isLeaf(inner) || HARMLESS_NAMES.has(name) || !isSensitiveName(name)) {
      return [kept, redactValue(inner, redaction, at, depth + 1)];
    }
    return [kept, hide(inner, name, redaction, at)];
  });
  return Object.fromEntries(entries);
}

interface Pair {
  readonly name: string;
  readonly value: string;
}

function isPair(item: unknown): item is Pair {
  const { name, value } = (item ?? {}) as Partial<Record<'name' | 'value', unknown>>;
  return typeof name === 'string' && typeof value === 'string';
}

function redactPair(item: Pair, always: boolean, redaction: Redaction, place: string, depth: number): unknown {
  const { name, value, ...rest } = item;
  const others = redactValue(rest, redaction, place, depth + 1) as object;
  if (always || isSensitiveName(name)) {
    return {
      name: redactText(name, redaction.tally),
      value: hide(value, name, redaction, `${place}.value (${name})`),
      ...others,
    };
  }
  return {
    name: redactText(name, redaction.tally),
    value: redactString(value, redaction, `${place}.value`, depth),
    ...others,
  };
}

/** Names of labels and the like are names, and somebody may use one for something else. */
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

/** Looked for everywhere from now on. */
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

function redactString(text: string, redaction: Redaction, place: string, depth: number): string {
  if (/^\s*[[{]/.test(text) && depth < MAX_DEPTH) {
    const inner = parsed(text);
    if (typeof inner === 'object' && inner !== null)
      return JSON.stringify(redactValue(inner, redaction, place, depth + 1));
  }
  return redactText(text, redaction.tally);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

/** A log, line by line: what is JSON by where it stands, everything else as text. Time stamps of the API server stand before it. */
export function redactLog(text: string, redaction: Redaction): string {
  // A key in several lines is one.
  const whole = text.includes('PRIVATE KEY') ? redactText(text, redaction.tally) : text;
  return whole
    .split('\n')
    .map((line) => {
      const [, stamp = '', rest = ''] = /^(\d{4}-\d\d-\d\dT[\d:.]+Z )?([^]*)$/.exec(line) ?? [];
      const value = rest.startsWith('{') ? parsed(rest) : null;
      if (value === null) return stamp + redactText(rest, redaction.tally);
      const lineRedaction = { tally: new Map<string, number>(), known: redaction.known };
      const redacted = JSON.stringify(redactValue(value, lineRedaction));
      for (const [what, times] of lineRedaction.tally) count(redaction.tally, what, times);
      return stamp + redacted;
    })
    .join('\n');
}
