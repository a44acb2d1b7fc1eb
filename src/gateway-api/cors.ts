/**
 * Settings of the CORS filter. Used by `filters.ts`.
 */
import type { Fields } from './fields.ts';
import { corsOrigin, headerName, MAX_INT32, MAX_ITEMS, quote, type Fault } from './limits.ts';
import { METHODS } from './matches.ts';
import { suggest } from './suggest.ts';
import type { HttpRouteFilter } from './types.ts';

type Cors = Extract<HttpRouteFilter, { type: 'CORS' }>['cors'];

const CORS_FIELDS = ['allowOrigins', 'allowCredentials', 'allowMethods', 'allowHeaders', 'exposeHeaders', 'maxAge'];

const METHOD_OR_ANY: readonly string[] = [...METHODS, '*'];

function corsMethod(value: string): Fault | null {
  if (METHOD_OR_ANY.includes(value)) return null;
  const near = suggest(value, METHODS);
  const advice = near === null ? '' : `; did you mean "${near}"?`;
  const message = `must be one of ${METHOD_OR_ANY.join(', ')}; got ${quote(value)}${advice}`;
  return { code: 'unsupported-value', message };
}

/** Origins are returned in lower case, as browsers send them; methods and header names as written. */
export function readCors(payload: Fields): Cors {
  payload.only(CORS_FIELDS);
  const allowOrigins = payload.textSet('allowOrigins', MAX_ITEMS.corsList, corsOrigin);
  const allowMethods = payload.textSet('allowMethods', MAX_ITEMS.corsMethods, corsMethod);
  const allowHeaders = payload.textSet('allowHeaders', MAX_ITEMS.corsList, headerName);
  wildcardAlone(payload, 'allowOrigins', allowOrigins);
  wildcardAlone(payload, 'allowMethods', allowMethods);
  wildcardAlone(payload, 'allowHeaders', allowHeaders);
  return {
    allowOrigins: allowOrigins.map((origin) => origin.toLowerCase()),
    allowCredentials: payload.boolean('allowCredentials') ?? false,
    allowMethods,
    allowHeaders,
    exposeHeaders: payload.textSet('exposeHeaders', MAX_ITEMS.corsList, headerName),
    maxAge: payload.integer('maxAge', 1, MAX_INT32) ?? 5,
  };
}

function wildcardAlone(payload: Fields, name: string, values: readonly string[]): void {
  if (!values.includes('*') || values.length === 1) return;
  payload.error(name, 'wildcard-not-alone', `must have no other entry beside "*", got ${values.length} entries`);
}
