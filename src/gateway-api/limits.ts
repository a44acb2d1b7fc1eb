/**
 * What values may be: limits, patterns and the checks built from them. Pure functions from a value to a fault.
 *
 * Used by the readers of this folder through `fields.ts`. Sources: the v1.7.0 CRDs, Kubernetes object names,
 * RFC 9110 field values. Patterns are written so that matching takes linear time.
 */
import type { ProblemCode } from './problem-codes.ts';

/** What a file may have in all. */
export interface TextLimits {
  readonly bytes: number;
  /** Of what the full YAML parser reads. */
  readonly tokens: number;
  readonly documents: number;
}

/** For what comes from a cluster as a whole, not file by file. */
export const NO_TEXT_LIMITS: TextLimits = {
  bytes: Number.POSITIVE_INFINITY,
  tokens: Number.POSITIVE_INFINITY,
  documents: Number.POSITIVE_INFINITY,
};

/** What a text may cost before it is refused. The largest possible ConfigMap holds 1 MiB. */
export const PARSE_LIMITS = {
  bytes: 4 * 1024 * 1024,
  tokens: 2_500_000,
  documents: 10_000,
  /** An HTTPRoute in a List, with managedFields, is less than 30 deep. */
  depth: 64,
  aliasedNodes: 100_000,
} as const;

/** Of a shard of a route set, which is compressed where it is stored. */
export const SHARD_LIMITS: TextLimits = { bytes: 8 * 1024 * 1024, tokens: PARSE_LIMITS.tokens, documents: 100_000 };

/** Maximum number of entries of each list. */
export const MAX_ITEMS = {
  parentRefs: 32,
  hostnames: 16,
  rules: 16,
  matches: 64,
  matchesPerRoute: 128,
  headers: 16,
  queryParams: 16,
  filters: 16,
  backendRefs: 16,
  headerActions: 16,
  corsList: 64,
  corsMethods: 9,
  allowedHeaders: 64,
} as const;

/** In instructions; a hundred bytes of memory each. The CRDs have no such limit. */
export const MAX_REGEX_SIZE_PER_ROUTE = 131_072;

export const MAX_PORT = 65_535;
export const MAX_WEIGHT = 1_000_000;
export const MAX_INT32 = 2_147_483_647;

/** A fault of one value. The message says what is allowed and what was found. */
export interface Fault {
  readonly code: ProblemCode;
  readonly message: string;
}

export type Check = (value: string) => Fault | null;

const QUOTED_LENGTH = 80;

/** The value in quotes, control characters escaped, cut to a length that fits in a log line. */
export function quote(value: string): string {
  return JSON.stringify(value.length > QUOTED_LENGTH ? `${value.slice(0, QUOTED_LENGTH)}…` : value);
}

function lengthFault(value: string, max: number): Fault | null {
  if (value === '') return { code: 'empty-value', message: 'must not be empty' };
  if (value.length <= max) return null;
  return { code: 'too-long', message: `must have at most ${max} characters, got ${value.length}: ${quote(value)}` };
}

/** A check of length 1 to `max` and of a pattern; `rule` completes "must be ...". */
function patternCheck(code: ProblemCode, max: number, pattern: RegExp, rule: string): Check {
  return (value) =>
    lengthFault(value, max) ?? (pattern.test(value) ? null : { code, message: `must be ${rule}, got ${quote(value)}` });
}

const LABEL = '[a-z0-9](?:[-a-z0-9]*[a-z0-9])?';
const SUBDOMAIN = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`);
const LOWER_CASE = 'lower-case letters, digits and "-", beginning and ending with a letter or digit';

export const dnsLabel = patternCheck('bad-name', 63, new RegExp(`^${LABEL}$`), `a DNS label (${LOWER_CASE})`);
export const dnsSubdomain = patternCheck('bad-name', 253, SUBDOMAIN, `DNS labels joined by "." (each ${LOWER_CASE})`);
export const kindName = patternCheck('bad-name', 63, /^[a-zA-Z](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$/, 'a kind');
export const groupName: Check = (value) => (value === '' ? null : dnsSubdomain(value));

const HOST = 'a host name in lower case, without port';

const isAddressLike = (value: string): boolean => /^[0-9]{1,3}(?:\.[0-9]{1,3}){3}$/.test(value);

/** A host name without wildcard, as filters have it. */
export const preciseHostname = patternCheck('bad-hostname', 253, SUBDOMAIN, HOST);

/** An entry of `spec.hostnames`: the first label may be `*`, addresses are not allowed. */
export const routeHostname: Check = (value) => {
  if (isAddressLike(value)) {
    return { code: 'bad-hostname', message: `must be a host name, not an address, got ${quote(value)}` };
  }
  const wildcard = `${HOST}, optionally with "*." in front`;
  return patternCheck('bad-hostname', 253, new RegExp(`^(?:\\*\\.)?${LABEL}(?:\\.${LABEL})*$`), wildcard)(value);
};

const HOST_VALUE = /^(?:[A-Za-z0-9](?:[-.A-Za-z0-9]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?$/;

/** A value of the Host header: a host name or address, with or without a port. */
export const hostValue: Check = (value) => {
  const length = lengthFault(value, 260);
  if (length) return length;
  const port = HOST_VALUE.exec(value);
  if (port && (port[1] === undefined || (Number(port[1]) >= 1 && Number(port[1]) <= MAX_PORT))) return null;
  return { code: 'bad-hostname', message: `must be a host name with an optional port, got ${quote(value)}` };
};

const TOKEN = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/;
const TOKEN_RULE = 'letters, digits and any of !#$%&\'*+-.^_`|~ (no space, no ":")';
export const headerName = patternCheck('bad-header-name', 256, TOKEN, TOKEN_RULE);

/**
 * A field value as it travels: visible ASCII with spaces and tabs inside. The standard CRD allows any text, the
 * experimental one no two white-space characters in a row; a value outside this set either cannot reach the wire unchanged
 * (white space at the ends), breaks the message (line ends) or has no agreed encoding (beyond ASCII).
 */
export const headerValue = patternCheck(
  'bad-header-value',
  4096,
  /^[!-~]+(?:[\t ]+[!-~]+)*$/,
  'visible ASCII characters, with spaces or tabs only inside',
);

export const headerRegex = patternCheck('bad-header-value', 4096, /^[\t -~]+$/, 'printable ASCII');
export const queryValue = (value: string): Fault | null => lengthFault(value, 1024);

const PATH_MAX = 1024;
const PATH_CHARACTERS = /^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})+$/;

function badPath(message: string): Fault {
  return { code: 'bad-path', message };
}

function pathShape(value: string): Fault | null {
  if (value.length > PATH_MAX) return lengthFault(value, PATH_MAX);
  return value.startsWith('/') ? pathCharacters(value) : badPath(`must start with "/", got ${quote(value)}`);
}

function pathCharacters(value: string): Fault | null {
  const query = value.includes('?') ? ' (match a query string with queryParams)' : '';
  if (PATH_CHARACTERS.test(value)) return null;
  return badPath(`must have only characters of a URL path, others as %XX${query}, got ${quote(value)}`);
}

const FORBIDDEN_IN_PATH = ['//', '/./', '/../', '%2f', '%2F', '#'];
const FORBIDDEN_AT_PATH_END = ['/..', '/.'];

/** A path to match exactly or as a prefix. */
export const literalPath: Check = (value) => {
  if (!value.startsWith('/')) return pathShape(value);
  for (const part of FORBIDDEN_IN_PATH) {
    if (value.includes(part)) return badPath(`must not contain "${part}", got ${quote(value)}`);
  }
  for (const part of FORBIDDEN_AT_PATH_END) {
    if (value.endsWith(part)) return badPath(`must not end with "${part}", got ${quote(value)}`);
  }
  return pathShape(value);
};

function grpcName(pattern: RegExp, rule: string): Check {
  const check = patternCheck('bad-grpc-name', 1024, pattern, rule);
  return (value) => {
    const fault = check(value);
    return fault === null ? null : { ...fault, message: fault.message + grpcAdvice(value) };
  };
}

/** What was probably meant by what is no name. */
function grpcAdvice(value: string): string {
  const [, service, method] = /^\/?([\w.]+)\/(\w+)$/.exec(value) ?? [];
  if (service !== undefined && method !== undefined)
    return `; write service ${quote(service)} and method ${quote(method)}`;
  const [, name] = /^\/?([\w.]+)\/?$/.exec(value) ?? [];
  if (name !== undefined && name !== value) return `; write ${quote(name)}`;
  return /[*+?|()[\]\\^$]/.test(value) ? '; an expression needs type: RegularExpression' : '';
}

/** With its package, as `my.pkg.Service`. The API takes a dot in front as well, with which it never travels. */
export const grpcService = grpcName(
  /^\.?[a-z_][a-z_0-9]*(?:\.[a-z_][a-z_0-9]*)*$/i,
  'the name of a gRPC service: words of letters, digits and "_", joined by ".", none beginning with a digit',
);
export const grpcMethod = grpcName(
  /^[A-Za-z_][A-Za-z_0-9]*$/,
  'the name of a gRPC method: letters, digits and "_", not beginning with a digit',
);
/** Empty: any. */
export const grpcRegex: Check = (value) => (value === '' ? null : lengthFault(value, 1024));

export const regexPath: Check = (value) => lengthFault(value, PATH_MAX);

/**
 * A path that replaces another one, or the beginning of it. The CRD only limits its length; a character outside a URL path
 * would make a request that no server can read, and `//` a redirect elsewhere. A missing `/` is put in front by the reader.
 */
export const replacementPath: Check = (value) => {
  if (value === '') return null;
  if (value.startsWith('//')) return badPath(`must not start with "//", got ${quote(value)}`);
  return lengthFault(value, PATH_MAX) ?? pathCharacters(value);
};

/** A path put before another one, which is how ExternalAuth has it; a `/` in front is not asked for. */
export const pathPrefix: Check = (value) => lengthFault(value, PATH_MAX) ?? pathCharacters(value);

const ORIGIN = /^https?:\/\/(?:(?:\*\.)?(?:[a-zA-Z0-9-]+\.)*[a-zA-Z0-9-]+|\*)(?::([0-9]{1,5}))?$/;

/** A CORS origin: `*`, or scheme, host (optionally with `*.` in front, or `*`) and port. */
export const corsOrigin: Check = (value) => {
  if (value === '*') return null;
  const length = lengthFault(value, 253);
  if (length) return length;
  const port = ORIGIN.exec(value);
  if (port && (port[1] === undefined || (Number(port[1]) >= 1 && Number(port[1]) <= MAX_PORT))) return null;
  const rule = 'must be "*" or http(s)://host with an optional port and nothing behind it';
  return { code: 'bad-origin', message: `${rule}, got ${quote(value)}` };
};

/** RFC 3339, as the API server writes `creationTimestamp`. */
export const timestamp: Check = (value) => {
  const shape = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;
  if (shape.test(value) && !Number.isNaN(Date.parse(value))) return null;
  return {
    code: 'bad-timestamp',
    message: `must be an RFC 3339 timestamp such as 2025-01-31T12:00:00Z, got ${quote(value)}`,
  };
};
