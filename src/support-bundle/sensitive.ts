/**
 * Recognises secrets by their names and by their form, and marks and counts what was left out.
 *
 * Used by `redact-text.ts`, `redact-value.ts`, `redact-object.ts` and `known-secrets.ts`. Add new names of secrets here; they apply to fields and to texts.
 */
export const LEFT_OUT = '[left out]';

/** Counts of redactions in one file, by kind or place. */
export type Tally = Map<string, number>;

export function count(tally: Tally, what: string, times = 1): void {
  tally.set(what, (tally.get(what) ?? 0) + times);
}

const KINDS_OF_KEY = 'api|access|private|account|encryption|signing|master|shared|subscription';
/** Sensitive anywhere in a name. */
const WORDS = String.raw`pass(?:word|wd|phrase|code)|pwd|secret|token|authori[sz]ation|credential|cookie|signature|jwt|(?:${KINDS_OF_KEY})[-_. ]?key|connection[-_. ]?string`;
/** Sensitive as the last part of a name. */
const LAST_PARTS = 'auth|pass|key|dsn|pin|salt|sig|sas|otp';

const SENSITIVE = new RegExp(
  String.raw`${WORDS}|session(?!affinity|persistence)|bearer|(?:^|[-_.])(?:${LAST_PARTS})(?:$|[-_.])`,
  'i',
);

/** Ends names whose values are names of Secrets: a flag, its variable and an annotation of ours. */
const NAMES_A_SECRET = 'traces[-_]?headers[-_]?secret';
const NAME_OF_SECRET = new RegExp(`${NAMES_A_SECRET}$`, 'i');

/** True for the name of a field, variable or header whose value is a secret. */
export function isSensitiveName(name: string): boolean {
  return SENSITIVE.test(name) && !NAME_OF_SECRET.test(name);
}

/** Not fields of Kubernetes that refer to a secret. */
const REFERENCE = String.raw`(?!(?:secretName|secretRef|secretKeyRef|imagePullSecrets?|serviceAccountToken)\b)`;
/** Part of a regular expression: a sensitive name in a text. It is stricter than for fields, because `key: cart` is not a secret. Linear time. */
export const NAME_IN_TEXT = String.raw`\b${REFERENCE}(?:[\w.-]{0,40}(?:${WORDS}|session[-_]?id)[\w.-]{0,40}|(?:[\w.-]{1,40}[-_.])?(?:pass|dsn)|[\w.-]{1,40}[-_.](?:${LAST_PARTS}))(?<!${NAMES_A_SECRET})`;
/** Part of a regular expression: a flag of a command line, whose value follows after a space. */
export const FLAG_IN_TEXT = String.raw`(?<![\w-])--[\w-]{0,40}(?:pass(?:word|wd|phrase)?|pwd|secret|token|key|credentials?)(?<!${NAMES_A_SECRET})`;

/** Words that occur in every bundle. If one is also a password, it is not removed everywhere, because the bundle would be unreadable. */
const EVERYWHERE = new Set(
  [
    'accept access action active address always annotations backend balancer bearer bundle canary client cluster code config',
    'connection container containers content control controller cookie cookies count create credential credentials custom',
    'database debug default delete deployment disabled empty enabled endpoint endpoints errors example expired failed false',
    'filter filters format gateway header headers health http https image images ingress internal invalid istio kind kubernetes',
    'labels level limits listen listener localhost message metadata method metrics missing mirror namespace network none normal',
    'object options parent password passwords path phase policy prefix private production protocol public readiness ready',
    'reason redirect redirects region remove replace request requests required response restart result retries route routes rules',
    'running sample secret secrets server servers service services session sessions sidecar sideroute source staging started',
    'startup status stream string success system target template testing timeout timeouts token tokens traces traffic unknown',
    'update username value values version volume volumes waiting warning weight worker workers',
  ].flatMap((line) => line.split(' ')),
);

export function isEverywhere(text: string): boolean {
  return EVERYWHERE.has(text.toLowerCase());
}

/** True for values that occur in every manifest: a word, a number, a duration, a path, a host name or its URL. */
export function isCommon(text: string): boolean {
  if (/^[a-z0-9.-]+\/v\d\w*$/.test(text)) return true;
  // A generated secret may look like a host name.
  if (/^(?=[a-z]*\d)(?=\d*[a-z])[a-z0-9]{16,}$|^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/.test(text)) return false;
  return /^(?:[a-z][a-z-]*|[\d.,:]+[a-zA-Z%]{0,3}|[A-Z][a-z]+|[A-Z_]+|(?:https?:\/\/)?[a-z0-9.-]+(?::\d+)?(?:\/[a-z.-]*)*|\/[\w./-]*|[a-z]+\/[a-z0-9.+-]+(?:; ?charset=[\w-]+)?)$/.test(
    text,
  );
}

const MIN_BITS_PER_CHAR = 4.2;
const SAMPLE_CHARS = 256;

/**
 * True if a long run of base64 characters was made by a generator or an encoder. Words, paths and names have other frequencies of characters,
 * and hexadecimal hashes have no capital letters.
 */
export function isEncoded(run: string): boolean {
  const sample = run.slice(0, SAMPLE_CHARS);
  if (!/[A-Z].*[A-Z]/.test(sample) || !/[a-z].*[a-z]/.test(sample) || !/\d/.test(sample)) return false;
  // The hash of a commit or a digest in an address.
  if (/[0-9a-f]{32}/.test(sample)) return false;
  if (sample.replaceAll(/[^/_-]/g, '').length > sample.length / 10) return false;
  const times = new Map<string, number>();
  for (const char of sample) times.set(char, (times.get(char) ?? 0) + 1);
  let bits = 0;
  for (const each of times.values()) bits -= (each / sample.length) * Math.log2(each / sample.length);
  return bits >= MIN_BITS_PER_CHAR;
}
