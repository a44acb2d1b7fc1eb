/**
 * The filters that answer a request themselves, so that it reaches no backend: CORS for preflights, RequestRedirect.
 *
 * Stage before: `rule.ts`, once for the filters of a rule and once for those of each backendRef. Stage after: a local
 * decision; without one the request goes on.
 */
import type { HttpRouteFilter, HttpRouteMatch } from '../../gateway-api/types.ts';
import type { FieldLine, LocalDecision, RequestHead } from '../decision.ts';
import { CorsPolicy, isPreflight, VARY_ORIGIN } from './cors.ts';
import { Redirect, type RedirectFrontend } from './request-redirect.ts';

export interface ResponderContext {
  readonly frontend: RedirectFrontend;
  /** Matches of the rule. */
  readonly matches: readonly HttpRouteMatch[];
  /** Returns the series of the replies; only called when a reply is possible. */
  readonly series: () => number;
  /** For the filters of backendRefs: the CORS policy of the rule. It takes precedence, and no other one applies. */
  readonly outer: CorsPolicy | null;
}

/** Null when no filter of the list answers requests. */
export function compileResponder(filters: readonly HttpRouteFilter[], context: ResponderContext): Responder | null {
  let cors = context.outer;
  let redirect: Redirect | null = null;
  let answers = false;
  for (const filter of filters) {
    if (filter.type === 'CORS' && cors === null) {
      cors = new CorsPolicy(filter.cors);
      answers = true;
    } else if (filter.type === 'RequestRedirect') {
      redirect = new Redirect(filter.requestRedirect, context.frontend, context.matches);
      answers = true;
      // The redirect answers every request, so later filters never run.
      break;
    }
  }
  return answers ? new Responder(cors, redirect, context.series()) : null;
}

export class Responder {
  readonly cors: CorsPolicy | null;
  readonly #redirect: Redirect | null;
  readonly #series: number;

  constructor(cors: CorsPolicy | null, redirect: Redirect | null, series: number) {
    this.cors = cors;
    this.#redirect = redirect;
    this.#series = series;
  }

  /** Null when the request goes on to a backend. The reply is built each time, because it differs between requests. */
  respond(head: RequestHead): LocalDecision | null {
    const { cors } = this;
    if (cors !== null && isPreflight(head)) {
      return this.#reply('cors_preflight', 204, cors.preflightFields(head));
    }
    const redirect = this.#redirect;
    if (redirect === null) return null;
    const location = { name: 'Location', value: redirect.location(head) };
    // A browser follows a cross-origin redirect only when the reply itself passes CORS.
    const fields = cors === null ? [location] : [location, ...(cors.responseFields(head) ?? []), VARY_ORIGIN];
    return this.#reply('redirect', redirect.status, fields);
  }

  #reply(reason: 'redirect' | 'cors_preflight', status: number, fields: readonly FieldLine[]): LocalDecision {
    return { kind: 'local', status, reason, series: this.#series, fields };
  }
}
