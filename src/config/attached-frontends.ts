/**
 * The frontends of this proxy: for each Service port, the rules of the routes that apply to its clients.
 *
 * Stage before: `parents.ts`. Stage after: `routing/table.ts` and `cluster/frontends.ts`.
 */
import { sortInSteps, type Steps } from '../slices.ts';
import type { AttachedFrontend, AttachedRule } from './attachment.ts';
import { winnersOf } from './conflicts.ts';
import { covers, EVERY_PORT, type Claim } from './parents.ts';
import { kindOf, type Progress } from './progress.ts';
import { isCarriedRoute, isOpaqueProtocol, tcpPort } from './support.ts';

/** Sorted by key. */
export function* buildFrontends(claims: readonly Claim[], progress: Progress): Steps<AttachedFrontend[]> {
  const byService = new Map<string, Claim[]>();
  for (const claim of claims) {
    if (claim.scope === 'elsewhere') continue;
    const own = byService.get(claim.service);
    if (own === undefined) byService.set(claim.service, [claim]);
    else own.push(claim);
  }
  const frontends: AttachedFrontend[] = [];
  for (const own of byService.values()) {
    const ports = new Set(own.flatMap((claim) => claim.ports));
    for (const port of ports) {
      frontends.push(buildFrontend(own, port, progress));
      yield;
    }
  }
  return yield* sortInSteps(frontends, (a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}

/** `claims`: all of the same Service. */
function buildFrontend(claims: readonly Claim[], port: number, progress: Progress): AttachedFrontend {
  const applicable = claims.filter((claim) => covers(claim, port));
  const consumers = applicable.filter((claim) => claim.scope === 'consumer');
  const consumer = consumers.length > 0;
  const winners = winnersOf(consumer ? consumers : applicable);
  const rules: AttachedRule[] = [];
  for (const route of new Set(winners.map((claim) => claim.route))) {
    if (isCarriedRoute(route)) for (const rule of route.rules) rules.push({ route, rule });
  }
  const { service: label, parent } = claims[0]!;
  const service = progress.services.get(label) ?? null;
  const declared = service === null ? undefined : tcpPort(service, port);
  // When the winning kind is not carried yet, the port is opaque: its connections must not be read as HTTP.
  const first = winners[0]!.route;
  const carried = isCarriedRoute(first);
  return {
    key: `${label}:${port === EVERY_PORT ? '*' : port}`,
    namespace: parent.namespace,
    name: parent.name,
    port,
    mode: !carried || isOpaqueProtocol(declared?.appProtocol ?? null) ? 'opaque' : 'http',
    routeKind: kindOf(first),
    consumer,
    rules,
    service,
  };
}
