/**
 * Routes of different kinds on one Service port. They are never merged: the kind takes precedence, not the age.
 *
 * Stage before: `parents.ts`. Stage after: `route-conditions.ts`, which reports the losing routes, and
 * `attached-frontends.ts`, which leaves them out.
 *
 * Producer routes and the consumer routes of one namespace are compared separately, because they serve different
 * clients.
 */
import type { Steps } from '../slices.ts';
import { covers, EVERY_PORT, type Claim } from './parents.ts';
import { kindOf, labelOf } from './progress.ts';

/** Highest precedence first. */
const KINDS = ['GRPCRoute', 'HTTPRoute', 'TLSRoute', 'TCPRoute'];

/** A port on which a claim is ignored. */
export interface LostPort {
  /** `EVERY_PORT` stands for all ports that no route names. */
  readonly port: number;
  /** One route of the kind that serves the port. */
  readonly winner: Claim;
}

export interface Conflict {
  readonly lost: readonly LostPort[];
  /** True when no port is left for the claim. */
  readonly everywhere: boolean;
}

function rank(claim: Claim): number {
  return KINDS.indexOf(kindOf(claim.route));
}

/** The claims of the kind that serves the port. All of `claims` must cover it. */
export function winnersOf(claims: readonly Claim[]): Claim[] {
  const best = claims.reduce((least, claim) => Math.min(least, rank(claim)), KINDS.length);
  return claims.filter((claim) => rank(claim) === best);
}

/** By claim. Claims without a lost port are left out. */
export function* findConflicts(claims: readonly Claim[]): Steps<ReadonlyMap<Claim, Conflict>> {
  const groups = new Map<string, Claim[]>();
  for (const claim of claims) {
    const { route, parent, service } = claim;
    const clients = route.namespace === parent.namespace ? '' : route.namespace;
    const key = `${service} ${clients}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [claim]);
    else group.push(claim);
  }
  const conflicts = new Map<Claim, Conflict>();
  for (const group of groups.values()) {
    if (new Set(group.map(rank)).size < 2) continue;
    const winners = new Map<number, Claim>();
    for (const port of new Set(group.flatMap((claim) => claim.ports))) {
      winners.set(port, winnersOf(group.filter((other) => covers(other, port)))[0]!);
      yield;
    }
    for (const claim of group) {
      yield;
      const ports = claim.ports.includes(EVERY_PORT) ? [...winners.keys()] : claim.ports;
      const lost = ports.flatMap((port): LostPort[] => {
        const winner = winners.get(port)!;
        return rank(winner) < rank(claim) ? [{ port, winner }] : [];
      });
      if (lost.length > 0) conflicts.set(claim, { lost, everywhere: lost.length === ports.length });
    }
  }
  return conflicts;
}

/** `port 80: GRPCRoute ns/a takes precedence there`. */
export function describeLost({ port, winner }: LostPort): string {
  const where = port === EVERY_PORT ? 'the ports that no route names' : `port ${port}`;
  return `${where}: ${labelOf(winner.route)} takes precedence there`;
}
