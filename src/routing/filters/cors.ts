/**
 * CORS. Preflight requests get a local reply. Other requests are forwarded, and their responses get the CORS fields
 * that the filter allows. Only the filter decides: CORS fields of the backend are removed.
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
/**
 * Tokens separated by commas and white space. Excludes control bytes, so that the value is safe to repeat in a
 * response.
 */
const TOKENS = /^[A-Za-z0-9!#$%&'*+\-.^_`|~, \t]+$/;

/** The answer to a preflight depends on these fields, so a cache may only reuse it for equal ones. */
const VARY_PREFLIGHT: FieldLine = {
  name: 'Vary',
  value: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
};
export const VARY_ORIGIN: FieldLine = { name: 'Vary', value: 'Origin' };

/** An OPTIONS request with Origin and the method of the request that is to follow. */
export function isPreflight(head: RequestHead): boolean {
  return (
    head.method === 'OPTIONS' && head.header('origin') !== null && head.header('access-control-request-method') !== null
  );
}

/**
 * Edits of every response of the backend. Vary is added even when the request has no Origin or one that is not allowed:
 * a cache must not give that response to an origin that is allowed.
 */
export function applyCors(response: FieldEditor): void {
  for (const name of BACKEND_FIELDS) response.remove(name);
  response.add(VARY_ORIGIN.name, VARY_ORIGIN.value);
}

export class CorsPolicy {
  readonly #origins: OriginSet;
  readonly #cors: Cors;
  readonly #replaced: ReadonlySet<string>;
  /** Fields an allowed origin gets after Access-Control-Allow-Origin. */
  readonly #credentials: readonly FieldLine[];
  readonly #expose: readonly FieldLine[];

  /** `replaced`: lower-case names of response fields that later filters set or remove. */
  constructor(cors: Cors, replaced: ReadonlySet<string> = new Set()) {
    this.#origins = new OriginSet(cors.allowOrigins);
    this.#cors = cors;
    this.#replaced = replaced;
    this.#credentials = cors.allowCredentials ? [{ name: 'Access-Control-Allow-Credentials', value: 'true' }] : [];
    // For a request with credentials, `*` is not a wildcard but the name of a header (Fetch standard).
    const exposed = cors.exposeHeaders.filter((name) => name !== ANY || !cors.allowCredentials);
    this.#expose = exposed.length === 0 ? [] : [{ name: 'Access-Control-Expose-Headers', value: exposed.join(', ') }];
  }

  /** Fields of the reply to a preflight; only Vary for an origin that is not allowed. */
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

  /** Fields for the response to any other request; null when its origin is absent or not allowed. */
  responseFields(head: RequestHead): readonly FieldLine[] | null {
    const origin = head.header('origin');
    if (origin === null || !this.#origins.allows(origin)) return null;
    const fields = [{ name: 'Access-Control-Allow-Origin', value: origin }, ...this.#credentials, ...this.#expose];
    return this.#replaced.size === 0 ? fields : fields.filter(({ name }) => !this.#replaced.has(name.toLowerCase()));
  }
}

/**
 * The configured list; if it contains `*`, the requested list instead; null when there is nothing to send. GET, HEAD
 * and POST need not be listed, because browsers always allow them.
 */
function listed(configured: readonly string[], requested: string | null, shape: RegExp): string | null {
  if (!configured.includes(ANY)) return configured.length === 0 ? null : configured.join(', ');
  return requested !== null && shape.test(requested) ? requested : null;
}
