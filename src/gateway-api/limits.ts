/**
 * Limits, patterns, and the checks built from them. A check is a pure function from a value to a fault.
 *
 * Used by the readers of this folder through `fields.ts`. Sources: the v1.7.0 CRDs, Kubernetes object names, RFC 9110
 * field values. Patterns are written so that matching takes linear time.
 */
import type { ProblemCode } from './problem-codes.ts';

/** Limits of a whole file. */
export interface TextLimits {
  readonly bytes: number;
  /** Tokens that the full YAML parser reads. */
  readonly tokens: number;
  readonly documents: number;
}

/** For text from a whole cluster instead of a single file. */
export const NO_TEXT_LIMITS: TextLimits = {
  bytes: Number.POSITIVE_INFINITY,
  tokens: Number.POSITIVE_INFINITY,
  documents: Number.POSITIVE_INFINITY,
};

/** Limits on the cost of reading a text. The largest possible ConfigMap holds 1 MiB. */
export const PARSE_LIMITS = {
  bytes: 4 * 1024 * 1024,
  tokens: 2_500_000,
  documents: 10_000,
  /** An HTTPRoute in a List, with managedFields, has a depth below 30. */
  depth: 64,
  aliasedNodes: 100_000,
} as const;

/** For a shard of a route set, which is stored compressed. */
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

/** Counted in instructions of about a hundred bytes each. The CRDs have no such limit. */
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

/** Checks for a length from 1 to `max` and a pattern; `rule` completes "must be ...". */
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

/** A hostname without wildcard, as used in filters. */
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

/** A value of the Host header: a hostname or address, with or without a port. */
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
 * A field value: visible ASCII, with spaces and tabs inside. The standard CRD allows any text; the experimental one
 * forbids two white-space characters in a row. Values outside this set do not work: white space at the ends is lost on
 * the way, line ends break the message, and beyond ASCII there is no agreed encoding.
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

/** A path for an exact or prefix match. */
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

/** Suggests what was probably meant by an invalid name. */
function grpcAdvice(value: string): string {
  const [, service, method] = /^\/?([\w.]+)\/(\w+)$/.exec(value) ?? [];
  if (service !== undefined && method !== undefined)
    return `; write service ${quote(service)} and method ${quote(method)}`;
  const [, name] = /^\/?([\w.]+)\/?$/.exec(value) ?? [];
  if (name !== undefined && name !== value) return `; write ${quote(name)}`;
  return /[*+?|()[\]\\^$]/.test(value) ? '; an expression needs type: RegularExpression' : '';
}

/** Includes the package: `my.pkg.Service`. The API also accepts a leading dot, but no request contains one. */
export const grpcService = grpcName(
  /^\.?[a-z_][a-z_0-9]*(?:\.[a-z_][a-z_0-9]*)*$/i,
  'the name of a gRPC service: words of letters, digits and "_", joined by ".", none beginning with a digit',
);
export const grpcMethod = grpcName(
  /^[A-Za-z_][A-Za-z_0-9]*$/,
  'the name of a gRPC method: letters, digits and "_", not beginning with a digit',
);
/** Empty means any name. */
export const grpcRegex: Check = (value) => (value === '' ? null : lengthFault(value, 1024));

export const regexPath: Check = (value) => lengthFault(value, PATH_MAX);

/**
 * A path that replaces another one or its beginning. The CRD limits only the length. But a character that is not
 * allowed in a URL path would make the request unreadable for servers, and `//` would redirect to another host. The
 * reader adds a missing leading `/`.
 */
export const replacementPath: Check = (value) => {
  if (value === '') return null;
  if (value.startsWith('//')) return badPath(`must not start with "//", got ${quote(value)}`);
  return lengthFault(value, PATH_MAX) ?? pathCharacters(value);
};

/** A path prepended to another one, as in ExternalAuth; it need not start with `/`. */
export const pathPrefix: Check = (value) => lengthFault(value, PATH_MAX) ?? pathCharacters(value);

const ORIGIN = /^https?:\/\/(?:(?:\*\.)?(?:[a-zA-Z0-9-]+\.)*[a-zA-Z0-9-]+|\*)(?::([0-9]{1,5}))?$/;

/** A CORS origin: `*`, or scheme, host (`*`, or a name with optional leading `*.`) and port. */
export const corsOrigin: Check = (value) => {
  if (value === '*') return null;
  const length = lengthFault(value, 253);
  if (length) return length;
  const port = ORIGIN.exec(value);
  if (port && (port[1] === undefined || (Number(port[1]) >= 1 && Number(port[1]) <= MAX_PORT))) return null;
  const rule = 'must be "*" or http(s)://host with an optional port and nothing behind it';
  return { code: 'bad-origin', message: `${rule}, got ${quote(value)}` };
};

/** RFC 3339, the format of `creationTimestamp` in the API. */
export const timestamp: Check = (value) => {
  const shape = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;
  if (shape.test(value) && !Number.isNaN(Date.parse(value))) return null;
  return {
    code: 'bad-timestamp',
    message: `must be an RFC 3339 timestamp such as 2025-01-31T12:00:00Z, got ${quote(value)}`,
  };
};
