/**
 * Answers the question of one request: which rule serves it, and where it goes.
 *
 * Stage before: an engine with a complete request head. Stage after: the same engine. Pure but for the rotation of
 * backends and mirrors; never throws as long as the head does not; hands out objects compiled with the table, save what
 * is of one request alone: redirects, CORS.
 */
import type { Decision, RequestHead } from './decision.ts';
import { isCall } from './grpc-call.ts';
import type { Candidates, CompiledMatch } from './match-list.ts';
import { resolveShare, type CompiledRule } from './rule.ts';
import type { FrontendTable, RouteTable } from './table.ts';

/** Hot path: bench/micro/decide.ts. */
export function decide(table: RouteTable, frontendId: number, head: RequestHead): Decision {
  const frontend = table.frontends[frontendId];
  if (frontend === undefined) return table.original;
  const match = findMatch(frontend, head);
  if (match === null) return frontend.noRoute;
  return match.picker === null ? decideByRule(match.rule, head) : resolveShare(match.picker.next(), head);
}

/** A rule that answers by itself, or refuses. */
function decideByRule(rule: CompiledRule, head: RequestHead): Decision {
  if (rule.responder !== null) {
    const reply = rule.responder.respond(head);
    if (reply !== null) return reply;
  }
  if (rule.refused !== null) return rule.refused.decision;
  return resolveShare(rule.picker!.next(), head);
}

/** The match that wins, null when none holds. */
export function findMatch(frontend: FrontendTable, head: RequestHead): CompiledMatch | null {
  const reader = frontend.reader;
  reader.begin(head);
  if (frontend.callSlot >= 0 && !isCall(head.method, reader.header(frontend.callSlot))) {
    reader.end();
    return null;
  }
  let list = findPath(frontend, head.path);
  let match: CompiledMatch | null = null;
  for (; list?.beforePatterns === true && match === null; list = list.shorter) match = list.find(reader);
  if (match === null && frontend.patterns !== null) match = frontend.patterns.find(reader);
  for (; list !== null && match === null; list = list.shorter) match = list.find(reader);
  reader.end();
  return match;
}

/** What the paths of the frontend hold for a raw path; patterns aside. */
export function findPath(frontend: FrontendTable, path: string): Candidates | null {
  return frontend.paths === null ? frontend.everyPath : frontend.paths.find(path);
}
