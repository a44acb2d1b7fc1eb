/**
 * CORS: preflight requests are answered here, other requests are forwarded and their responses say what the filter
 * allows. The filter alone decides: what the backend says about CORS is taken out.
 *
 * Stage before: `responder.ts` for preflights, `compose.ts` for forwarded requests. Stage after: the fields of a local
 * reply, or `responseFields` of a decision.
 */
import type { HttpRouteFilter } from '../../gateway-api/types.ts';
import type { FieldLine, RequestHead } from '../decision.ts';
import { OriginSet } from './cors-origins.ts';
import type { FieldEditor } from './field-edits.ts';

type Cors = Extract<HttpRouteFilter, { type: 'CORS' }>['cors'];

const BACKEND_FIELDS = [
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'access-control-allow-methods',
  'access-control-allow-headers',
  'access-control-expose-headers',
  'access-control-max-age',
  'access-control-allow-private-network',
];
const ANY = '*';
const TOKEN = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/;
/** Tokens with commas and white space between them: free of control bytes. */
const TOKENS = /^[A-Za-z0-9!#$%&'*+\-.^_`|~, \t]+$/;

/** The answer to a preflight depends on these, and so does what a cache may reuse. */
const VARY_PREFLIGHT: FieldLine = {
  name: 'Vary',
  value: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
};
export const VARY_ORIGIN: FieldLine = { name: 'Vary', value: 'Origin' };

/** An OPTIONS request that says which method is to follow. */
export function isPreflight(head: RequestHead): boolean {
  return (
    head.method === 'OPTIONS' && head.header('origin') !== null && head.header('access-control-request-method') !== null
  );
}

/**
 * Edits of every response of the backend. Vary stands there also when the request has no Origin or a disallowed one: a
 * cache must not give that response to an origin that is allowed.
 */
export function applyCors(response: FieldEditor): void {
  for (const name of BACKEND_FIELDS) response.remove(name);
  response.add(VARY_ORIGIN.name, VARY_ORIGIN.value);
}

export class CorsPolicy {
  readonly #origins: OriginSet;
  readonly #cors: Cors;
  readonly #replaced: ReadonlySet<string>;
  /** What an allowed origin gets behind Allow-Origin. */
  readonly #credentials: readonly FieldLine[];
  readonly #expose: readonly FieldLine[];

  /** `replaced`: lower-case names of response fields that filters after this one have taken over. */
  constructor(cors: Cors, replaced: ReadonlySet<string> = new Set()) {
    this.#origins = new OriginSet(cors.allowOrigins);
    this.#cors = cors;
    this.#replaced = replaced;
    this.#credentials = cors.allowCredentials ? [{ name: 'Access-Control-Allow-Credentials', value: 'true' }] : [];
    // To a request with credentials `*` is the name of a header.
    const exposed = cors.exposeHeaders.filter((name) => name !== ANY || !cors.allowCredentials);
    this.#expose = exposed.length === 0 ? [] : [{ name: 'Access-Control-Expose-Headers', value: exposed.join(', ') }];
  }

  /** Of the reply to a preflight; nothing but Vary for an origin that is not allowed. */
  preflightFields(head: RequestHead): FieldLine[] {
    const origin = head.header('origin');
    if (origin === null || !this.#origins.allows(origin)) return [VARY_PREFLIGHT];
    const { allowMethods, allowHeaders, maxAge } = this.#cors;
    const fields: FieldLine[] = [{ name: 'Access-Control-Allow-Origin', value: origin }, ...this.#credentials];
    const methods = listed(allowMethods, head.header('access-control-request-method'), TOKEN);
    if (methods !== null) fields.push({ name: 'Access-Control-Allow-Methods', value: methods });
    const headers = listed(allowHeaders, head.header('access-control-request-headers'), TOKENS);
    if (headers !== null) fields.push({ name: 'Access-Control-Allow-Headers', value: headers });
    fields.push(...this.#expose, { name: 'Access-Control-Max-Age', value: String(maxAge) }, VARY_PREFLIGHT);
    return fields;
  }

  /** Of the response to any other request; null when its origin is absent or not allowed. */
  responseFields(head: RequestHead): readonly FieldLine[] | null {
    const origin = head.header('origin');
    if (origin === null || !this.#origins.allows(origin)) return null;
    const fields = [{ name: 'Access-Control-Allow-Origin', value: origin }, ...this.#credentials, ...this.#expose];
    return this.#replaced.size === 0 ? fields : fields.filter(({ name }) => !this.#replaced.has(name.toLowerCase()));
  }
}

/**
 * The configured list, in place of `*` what was requested, null when there is nothing to say. GET, HEAD and POST need not
 * be listed: browsers take them as allowed.
 */
function listed(configured: readonly string[], requested: string | null, shape: RegExp): string | null {
  if (!configured.includes(ANY)) return configured.length === 0 ? null : configured.join(', ');
  return requested !== null && shape.test(requested) ? requested : null;
}
