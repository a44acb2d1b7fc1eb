/**
 * What in a text must not get into a bug report: credentials, and what follows the question mark of a URL.
 *
 * Stage before: `redact-value.ts`, for each string, and `collection.ts`, for logs and metrics. Stage after: `collection.ts`, which lists what was
 * left out. It is a second line: what is known to hold a secret is left out by where it stands, whatever it looks like.
 */
export const LEFT_OUT = '[left out]';

/** Counts what was left out of one file, by what it was or where it stood. */
export type Tally = Map<string, number>;

export function count(tally: Tally, what: string, times = 1): void {
  tally.set(what, (tally.get(what) ?? 0) + times);
}

const SENSITIVE =
  /pass(?:word|wd|phrase|code)|pwd|secret|token|authori[sz]ation|credential|cookie|session(?!affinity|persistence)|api[-_.]?key|access[-_.]?key|private[-_.]?key|signature|bearer|jwt|(?:^|[-_.])(?:auth|pass|key|dsn|pin|salt|sig|sas|otp)(?:$|[-_.])|connection[-_.]?string/i;

/** Of a field, a variable or a header whose value nobody should see. */
export function isSensitiveName(name: string): boolean {
  return SENSITIVE.test(name);
}

interface Pattern {
  readonly what: string;
  readonly find: RegExp;
  readonly replace: string;
}

const WORD = String.raw`[\w.-]{0,40}(?:pass(?:word|wd|phrase|code)|pwd|secret|token|authori[sz]ation|credential|cookie|session[-_]?id|jwt|signature|api[-_.]?key|access[-_.]?key|private[-_.]?key)[\w.-]{0,40}`;
const HEADER = String.raw`(?:proxy-)?authorization|(?:set-)?cookie|x-[\w-]{0,40}(?:token|key|secret|auth)[\w-]{0,40}`;
/** Between a name and its value, in JSON that stands in strings of JSON as well. */
const SEPARATOR = String.raw`\\*["']?\s*[:=]\s*`;
/** In quotes, which are the third group, up to the same ones or the end of the line; and lists and objects, which are not told apart here. */
const QUOTED = String.raw`(\\*["'])(?!\3|\[left out\])(?:.*?(?=(?<!\\)\3)|.+)|\[(?!left out\])[^\]\r\n]*\]?|\{[^}\r\n]*\}?`;
/** Parameters may be in quotes. */
const BARE_HEADER = String.raw`(?![\s"'\\]|\[left out\])[^\r\n"\\]+(?:(?<==)"[^"\r\n]*"[^\r\n"\\]*)*`;
/** What separates one value from the next is part of this one where no next one follows. */
const BARE = String.raw`(?![\s"'\\]|\[left out\])(?:[^\s"\\,;&})\]]|[,;&](?![\w.-]{1,60}\\?["']?[=:]|[\s"'\\]|$))+`;

/** In turn: what an earlier one has taken is not there for the later ones. Each is linear: what may stand before a word that decides is bounded. */
const PATTERNS: readonly Pattern[] = [
  {
    what: 'private key',
    find: /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[^]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|$)/g,
    replace: LEFT_OUT,
  },
  {
    what: 'user and password in a URL',
    // A password that should have been encoded, as well: what follows a colon and is no port.
    find: /\b([a-z][a-z0-9+.-]{0,20}:\/\/)(?:[^\s/?#"'<>]*|[^\s/?#@:"'<>]{0,256}:(?!\d*[/?#])[^\s@"'<>]{0,256})@/gi,
    replace: `$1${LEFT_OUT}@`,
  },
  {
    what: 'header with credentials',
    find: new RegExp(String.raw`\b(${HEADER})(${SEPARATOR})(?:${QUOTED}|${BARE_HEADER})`, 'gi'),
    replace: `$1$2$3${LEFT_OUT}`,
  },
  { what: 'credentials of HTTP', find: /\b(Digest)\s+(?=\w+=")[^\r\n]+/g, replace: `$1 ${LEFT_OUT}` },
  {
    what: 'credentials of HTTP',
    find: /\b(Bearer|Basic|Digest|Negotiate)\s+[\w+/=~.,:"-]{6,}/g,
    replace: `$1 ${LEFT_OUT}`,
  },
  {
    what: 'credentials of HTTP',
    find: /\b(bearer|basic)\s+(?=[\w+/=~.-]{0,200}\d)[\w+/=~.-]{16,}/gi,
    replace: `$1 ${LEFT_OUT}`,
  },
  { what: 'JSON Web Token', find: /\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?/g, replace: LEFT_OUT },
  {
    what: 'key of a known form',
    find: /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[opsur]_\w{16,}|\bgithub_pat_\w{16,}|\bglpat-[\w-]{16,}|\bxox[abeoprs]-[\w-]{8,}|\bAIza[\w-]{30,}|\bsk[-_][\w-]{16,}|\bnpm_\w{30,}/g,
    replace: LEFT_OUT,
  },
  {
    what: 'query of a URL',
    // A quote ends it where it ends what it stands in.
    find: /([\w/.:~%@\]-])\?(?!\[left out\])(?:[^\s"'<>\\]|["'](?![\s,;:)}\]]|$)|\\u00[0-9a-f]{2})+/gi,
    replace: `$1?${LEFT_OUT}`,
  },
  {
    what: 'value of a sensitive name',
    find: new RegExp(String.raw`\b(${WORD})(${SEPARATOR})(?:${QUOTED}|${BARE})`, 'gi'),
    replace: `$1$2$3${LEFT_OUT}`,
  },
];

/** A text that is no JSON, or a string of one. */
export function redactText(text: string, tally: Tally): string {
  let redacted = text;
  for (const { what, find, replace } of PATTERNS) {
    redacted = redacted.replace(find, (...groups: unknown[]) => {
      count(tally, what);
      return replace.replaceAll(/\$(\d)/g, (_, index: string) => textAt(groups, Number(index)));
    });
  }
  return redacted;
}

function textAt(groups: readonly unknown[], index: number): string {
  const group = groups[index];
  return typeof group === 'string' ? group : '';
}

const KNOWN_MIN_CHARS = 6;
const KNOWN_MAX = 1_000;
const KNOWN_MAX_CHARS = 4_096;

/**
 * Values that were left out somewhere, which may stand elsewhere, too: what an environment variable holds is what an error in the log quotes. Words,
 * numbers, paths and host names are not looked for, unless their name is a sensitive one: they stand everywhere.
 */
export class KnownSecrets {
  readonly #values = new Set<string>();
  readonly #forms = new Set<string>();

  add(value: string, name: string): void {
    const text = value.trim();
    if (text.length < KNOWN_MIN_CHARS || text.length > KNOWN_MAX_CHARS) return;
    if (this.#values.has(text) || this.#values.size >= KNOWN_MAX) return;
    if (!isSensitiveName(name) && isCommon(text)) return;
    if (isSensitiveName(name) && /^(?:true|false|enabled|disabled|default|\[left out\])$/i.test(text)) return;
    this.#values.add(text);
    const escaped = JSON.stringify(text).slice(1, -1);
    const base64 = Buffer.from(text).toString('base64').replace(/=+$/, '');
    const [, inForm = ''] = /^x=([^]*)$/.exec(new URLSearchParams({ x: text }).toString()) ?? [];
    // In a string of JSON that is in another one.
    const nested = JSON.stringify(escaped).slice(1, -1);
    for (const form of [text, escaped, nested, encodeURIComponent(text), inForm, base64]) this.#forms.add(form);
    // YAML indents its lines, and a log has a time before each.
    for (const line of text.includes('\n') ? text.split('\n') : []) {
      // Of a manifest the values: `kind: HTTPRoute` stands everywhere, too.
      const part = line.replace(/^[-\s]*[\w./-]{1,100}:\s+/, '');
      if (!/^[A-Za-z]*$/.test(part)) this.add(part, name);
    }
    // `Bearer x` is known by its last word as well.
    const [, credentials = ''] = /^[A-Za-z]+\s+(\S+)$/.exec(text) ?? [];
    if (credentials.length >= KNOWN_MIN_CHARS) this.#forms.add(credentials);
  }

  /** Takes them out of a text, wherever they stand. */
  scrubber(): (text: string, tally: Tally) => string {
    if (this.#forms.size === 0) return (text) => text;
    const longestFirst = [...this.#forms].sort((a, b) => b.length - a.length);
    const find = new RegExp(
      longestFirst.map((form) => form.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`)).join('|'),
      'g',
    );
    return (text, tally) =>
      text.replace(find, () => {
        count(tally, 'value that was left out elsewhere');
        return LEFT_OUT;
      });
  }
}

/** A word, a number, a duration, a path, a host name with or without a port, a URL of one: as they stand in every manifest. */
function isCommon(text: string): boolean {
  if (/^[a-z0-9.-]+\/v\d\w*$/.test(text)) return true;
  // What a generator of secrets makes looks like a host name.
  if (/^(?=[a-z]*\d)(?=\d*[a-z])[a-z0-9]{16,}$|^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/.test(text)) return false;
  return /^(?:[a-z][a-z-]*|[\d.,:]+[a-zA-Z%]{0,3}|[A-Z][a-z]+|[A-Z_]+|(?:https?:\/\/)?[a-z0-9.-]+(?::\d+)?(?:\/[a-z.-]*)*|\/[\w./-]*|[a-z]+\/[a-z0-9.+-]+(?:; ?charset=[\w-]+)?)$/.test(
    text,
  );
}
