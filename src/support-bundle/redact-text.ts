/**
 * Redacts a text: credentials, and the query of URLs.
 *
 * Stage before: `redact-lines.ts`, for logs and metrics, and `redact-value.ts`, for each string. Stage after: `collection.ts`, which lists what was
 * left out. It is a second line of defence: values that are known to be secrets are left out by their place, whatever they look like.
 */
import type { KnownSecrets } from './known-secrets.ts';
import { count, FLAG_IN_TEXT, isEncoded, LEFT_OUT, NAME_IN_TEXT, type Tally } from './sensitive.ts';

interface Pattern {
  readonly what: string;
  readonly find: RegExp;
  readonly replace: string;
  /** The value that was left out is removed from all other texts as well. */
  readonly isKnown?: true;
  readonly when?: (match: string) => boolean;
}

const HEADER = String.raw`(?:proxy-)?authorization|(?:set-)?cookie|x-[\w-]{0,40}(?:token|key|secret|auth)[\w-]{0,40}`;
/** Between a name and its value: in JSON, also in JSON within strings; in maps as printed by any language; and percent-encoded. */
const SEPARATOR = String.raw`(?:\u001b\[[\d;]{0,9}m)?\\*["']?\s*(?:[:=\uff1a]{1,2}>?|%3[ad]|\\+u003[ad])\s*(?:\u001b\[[\d;]{0,9}m)?(?:\b(?:Some\(|b|r|u)(?=["']))?`;
/** A value in quotes (the third group), up to the closing quote or the end of the line; or a whole list or object. */
const QUOTED = String.raw`(\\*["'])(?!\3|\[left out\])(?:.*?(?=(?<!\\)\3)|.+)|\[(?!left out\])[^\]\r\n]*\]?|\{[^}\r\n]*\}?`;
/** A header without quotes; its parameters may be in quotes. */
const BARE_HEADER = String.raw`(?![\s"'\\]|\[left out\])[^\r\n"\\]+(?:(?<==)"[^"\r\n]*"[^\r\n"\\]*)*`;
/** A value without quotes. A separator belongs to it unless another value follows. */
const BARE = String.raw`(?![\s"'\\]|\[left out\])(?:[^\s"\\,;&})\]]|[,;&](?![\w.-]{1,60}\\?["']?[=:]|[\s"'\\]|$))+`;
/** Not a secret: the words with which an error continues after `token: `. */
const SENTENCE = String.raw`(?!(?<=:[ \t]+)(?:no|not|is|are|was|has|needs|invalid|required|missing|expired|unexpected|unknown|permission|unauthorized|forbidden|denied|cannot|could|failed|must|empty|malformed|unsupported|true|false|null|none|nil|undefined)(?=["'\`\\.,;:)}\]]{0,4}(?:\s|$|\u001b)))`;
const SECRET_IN_SENTENCE = String.raw`(?=[\w-]{0,80}[\d@!#$%^&*+=~])(?=[^\sA-Za-z]{0,80}[A-Za-z])(?!\[left out\])[^\s"'\`\\,;:/(){}<>[\]]{6,}(?![\w/(])`;
const BEGIN = String.raw`-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----`;
const END = String.raw`-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----`;

/** Applied in this order; later patterns do not see what earlier ones have removed. Each takes linear time, because every repetition before a deciding word is bounded. */
const PATTERNS: readonly Pattern[] = [
  {
    what: 'private key',
    find: new RegExp(String.raw`${BEGIN}(?:(?:(?!-----)[^]){0,16000}${END}|[\w+/=\s\\]{0,16000})`, 'g'),
    replace: LEFT_OUT,
  },
  {
    what: 'end of a private key',
    find: new RegExp(String.raw`(?<![\w+/=\\])[\w+/=\\]{1,16000}${END}`, 'g'),
    replace: LEFT_OUT,
  },
  {
    what: 'user and password in a URL',
    // Also a password that should have been encoded: text after a colon that is not a port.
    find: /\b([a-z][a-z0-9+.-]{0,20}:\/\/)(?:[^\s/?#"'<>]*|[^\s/?#@:"'<>]{0,256}:(?!\d*[/?#])[^\s@"'<>]{0,256})@/gi,
    replace: `$1${LEFT_OUT}@`,
    isKnown: true,
  },
  {
    what: 'user and password of a database',
    find: /(?<![\w.-])([\w.-]{1,64}:)[^\s@/"'\\[]{1,256}(?=@(?:tcp|unix)\()/g,
    replace: `$1${LEFT_OUT}`,
    isKnown: true,
  },
  {
    what: 'header with credentials',
    find: new RegExp(String.raw`\b(${HEADER})(${SEPARATOR})(?:${QUOTED}|${BARE_HEADER})`, 'gi'),
    replace: `$1$2$3${LEFT_OUT}`,
    isKnown: true,
  },
  { what: 'credentials of HTTP', find: /\b(Digest)\s+(?=\w+=")[^\r\n]+/g, replace: `$1 ${LEFT_OUT}` },
  {
    what: 'credentials of HTTP',
    find: /\b(Bearer|(?:Basic|Digest|Negotiate)(?=\s+[\w+/=~.,:"-]{0,200}[\dA-Z=]))\s+(?!(?:auth|token|realm|credentials)\w*\b)[\w+/=~.,:"-]{6,}/g,
    replace: `$1 ${LEFT_OUT}`,
    isKnown: true,
  },
  {
    what: 'credentials of HTTP',
    find: /\b(bearer|basic)\s+(?=[\w+/=~.-]{0,200}\d)[\w+/=~.-]{16,}/gi,
    replace: `$1 ${LEFT_OUT}`,
    isKnown: true,
  },
  {
    what: 'credentials of a command',
    find: /((?:^|\s)(?:-u|--user)[ =][\w.@-]{1,64}:)(?!\/)[^\s"'\\[]+/g,
    replace: `$1${LEFT_OUT}`,
    isKnown: true,
  },
  {
    what: 'credentials of a command',
    find: new RegExp(
      String.raw`(${FLAG_IN_TEXT}) (?!-|<|\[|(?:is|needs|has|must|was|and|or|gives|takes)\b)[^\s"'\\,;]+`,
      'gi',
    ),
    replace: `$1 ${LEFT_OUT}`,
    isKnown: true,
  },
  { what: 'JSON Web Token', find: /eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?/g, replace: LEFT_OUT },
  {
    what: 'key of a known form',
    find: /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[opsur]_\w{16,}|\bgithub_pat_\w{16,}|\bglpat-[\w-]{16,}|\bxox[abeoprs]-[\w-]{8,}|\bAIza[\w-]{30,}|\b[rs]k[-_][\w-]{16,}|\bnpm_\w{30,}|\bSG\.[\w-]{16,}\.[\w-]{16,}|\bdckr_pat_[\w-]{16,}|\bhv[bs]\.[\w-]{16,}|\bya29\.[\w-]{16,}|\bAGE-SECRET-KEY-1[0-9A-Z]{16,}|\bhooks\.slack\.com\/services\/[\w/]+/g,
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
    // A path that ends in a sensitive word is not a name: `/var/run/secrets/token: no such file`.
    find: new RegExp(String.raw`(${NAME_IN_TEXT})(${SEPARATOR})${SENTENCE}(?:${QUOTED}|${BARE})`, 'gi'),
    replace: `$1$2$3${LEFT_OUT}`,
    isKnown: true,
  },
  {
    what: 'value of a sensitive name',
    find: new RegExp(String.raw`<(${NAME_IN_TEXT})>(?!\[left out\])[^<>\r\n]+`, 'gi'),
    replace: `<$1>${LEFT_OUT}`,
    isKnown: true,
  },
  {
    what: 'secret in a sentence',
    find: new RegExp(
      String.raw`\b(?<!unexpected )(password|passwd|passphrase|passcode|pwd|token|(?:api|access|secret|private|signing|encryption)[ -]key|identified by)(\s{1,8}(?:(?:is|was|of|as|for|to)\s{1,8})?(?:user\s{1,8}[\w.@-]{1,64}\s{0,8})?:?\s{0,8})(["'\`]?)${SECRET_IN_SENTENCE}`,
      'gi',
    ),
    replace: `$1$2$3${LEFT_OUT}`,
    isKnown: true,
  },
  {
    what: 'secret in a sentence',
    find: /\b(password|passwd|passphrase|passcode|pwd)(\s{1,8}(?:(?:is|was|of|as|to)\s{1,8})?)(["'`])(?!\[left out\])[^"'`\\\r\n]{1,200}(?=\3)/gi,
    replace: `$1$2$3${LEFT_OUT}`,
    isKnown: true,
  },
  {
    what: 'long encoded value',
    find: /(?<![\w+/-])[\w+/-]{40,}={0,2}/g,
    replace: LEFT_OUT,
    when: isEncoded,
  },
];

const NAME_AT_END = new RegExp(String.raw`(?<![\w-])(${HEADER}|${NAME_IN_TEXT})${SEPARATOR}$`, 'i');
/** Maximum length of a name and its separator. */
const MAX_NAME_CHARS = 160;

/** The sensitive name at the end of this text, whose value follows; null if there is none. */
export function nameAtEnd(text: string): string | null {
  return NAME_AT_END.exec(text.slice(-MAX_NAME_CHARS))?.[1] ?? null;
}

/** Characters of which every pattern needs one. A word alone has none of them. */
const MAY_HAVE_ONE = /[\s:=@?%<\uff1a]|[\w+/.-]{16}/;

/** `text`: one line that is not JSON, or a string of JSON. */
export function redactText(text: string, tally: Tally, known: KnownSecrets | null = null): string {
  if (!MAY_HAVE_ONE.test(text)) return text;
  let redacted = text;
  for (const { what, find, replace, isKnown, when } of PATTERNS) {
    redacted = redacted.replace(find, (...groups: unknown[]) => {
      const match = textAt(groups, 0);
      if (when?.(match) === false) return match;
      count(tally, what);
      const shown = replace.replaceAll(/\$(\d)/g, (_, index: string) => textAt(groups, Number(index)));
      if (isKnown === true && known !== null) {
        const [before = '', after = ''] = shown.split(LEFT_OUT);
        known.addFromText(match.slice(before.length, match.length - after.length));
      }
      return shown;
    });
  }
  return redacted;
}

function textAt(groups: readonly unknown[], index: number): string {
  const group = groups[index];
  return typeof group === 'string' ? group : '';
}
