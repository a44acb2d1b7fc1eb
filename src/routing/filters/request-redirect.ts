/**
 * RequestRedirect: the Location for one request.
 *
 * Stage before: `responder.ts`. Stage after: the fields of a local reply. Uses the request as the downstream sent it,
 * without the changes of other filters.
 */
import type { HttpRouteFilter, HttpRouteMatch } from '../../gateway-api/types.ts';
import type { PathRewrite, RequestHead } from '../decision.ts';
import { compilePathModifier, rewritePath } from './url-rewrite.ts';

type RequestRedirect = Extract<HttpRouteFilter, { type: 'RequestRedirect' }>['requestRedirect'];

/** The frontend whose requests are redirected. */
export interface RedirectFrontend {
  readonly namespace: string;
  readonly name: string;
  /** Service port; 0 when the frontend stands for every port. */
  readonly port: number;
}

const WELL_KNOWN_PORT = { http: 80, https: 443 } as const;
/** Registered name, IPv4 address or bracketed IPv6 address, and the port (RFC 9110 section 7.2). */
const HOST = /^([A-Za-z0-9\-._~!$&'()*+;=%]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{0,5}))?$/;

export class Redirect {
  readonly status: number;
  readonly #scheme: 'http' | 'https';
  /** Null: the hostname of the request. */
  readonly #hostname: string | null;
  /** 0: the port in the Host field of the request. */
  readonly #port: number;
  readonly #path: PathRewrite | null;
  readonly #fallbackHost: string;

  constructor(redirect: RequestRedirect, frontend: RedirectFrontend, matches: readonly HttpRouteMatch[]) {
    this.status = redirect.statusCode;
    this.#scheme = redirect.scheme ?? 'http';
    this.#hostname = redirect.hostname;
    this.#port = redirect.port ?? (redirect.scheme === null ? frontend.port : WELL_KNOWN_PORT[redirect.scheme]);
    this.#path = redirect.path === null ? null : compilePathModifier(redirect.path, matches);
    this.#fallbackHost = `${frontend.name}.${frontend.namespace}`;
  }

  /** The path is repeated raw, and the query is kept. */
  location(head: RequestHead): string {
    const host = HOST.exec(head.header('host') ?? '');
    const name = this.#hostname ?? host?.[1] ?? this.#fallbackHost;
    const port = this.#port === 0 ? Number(host?.[2] ?? '') || WELL_KNOWN_PORT.http : this.#port;
    const authority = port === WELL_KNOWN_PORT[this.#scheme] ? name : `${name}:${port}`;
    // The request targets `*` and host:port have no path to repeat.
    const path = rewritePath(this.#path, head.path.startsWith('/') ? head.path : '/');
    const query = head.query === '' ? '' : `?${head.query}`;
    return `${this.#scheme}://${authority}${path}${query}`;
  }
}
