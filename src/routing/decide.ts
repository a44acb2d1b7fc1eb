/**
 * Decides for one request which rule serves it and where it goes.
 *
 * Stage before: an engine with a complete request head. Stage after: the same engine. The only state that changes is
 * the rotation of backends and mirrors. Throws only if the head throws. The returned objects are compiled with the
 * table, except what depends on the single request: redirects and CORS.
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

/** For a rule that can answer by itself or refuse a request. */
function decideByRule(rule: CompiledRule, head: RequestHead): Decision {
  if (rule.responder !== null) {
    const reply = rule.responder.respond(head);
    if (reply !== null) return reply;
  }
  if (rule.refused !== null) return rule.refused.decision;
  return resolveShare(rule.picker!.next(), head);
}

/** The winning match; null when no match holds. */
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

/** The candidates for a raw path, without the patterns. */
export function findPath(frontend: FrontendTable, path: string): Candidates | null {
  return frontend.paths === null ? frontend.everyPath : frontend.paths.find(path);
}
