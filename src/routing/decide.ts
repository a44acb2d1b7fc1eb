/**
 * Answers the question of one request: which rule serves it, and where it goes.
 *
 * Stage before: an engine with a complete request head. Stage after: the same engine. Pure but for the rotation of
 * backends and mirrors; never throws as long as the head does not; hands out objects compiled with the table, save what
 * is of one request alone: redirects, CORS.
 */
import type { Decision, RequestHead } from './decision.ts';
import type { CompiledMatch } from './match-list.ts';
import { resolveShare } from './rule.ts';
import type { FrontendTable, PathNode, RouteTable } from './table.ts';

/** Hot path: bench/micro/decide.ts. */
export function decide(table: RouteTable, frontendId: number, head: RequestHead): Decision {
  const frontend = table.frontends[frontendId];
  if (frontend === undefined) return table.original;
  const match = findMatch(frontend, head);
  if (match === null) return frontend.noRoute;
  const rule = match.rule;
  if (rule.responder !== null) {
    const reply = rule.responder.respond(head);
    if (reply !== null) return reply;
  }
  if (rule.refused !== null) return rule.refused.decision;
  return resolveShare(rule.active[rule.picker === null ? 0 : rule.picker.next()]!, head);
}

/** The match that wins (SPEC P1), null when none holds (SPEC E1). */
export function findMatch(frontend: FrontendTable, head: RequestHead): CompiledMatch | null {
  const reader = frontend.reader;
  reader.begin(head);
  const node = findPath(frontend, head.path);
  let match: CompiledMatch | null = null;
  if (node !== null && node.exact !== null) match = node.exact.find(reader);
  if (match === null && frontend.regexes !== null) match = frontend.regexes.find(reader);
  if (match === null && node !== null) {
    let prefix = node.prefix;
    while (prefix !== null && match === null) {
      match = prefix.matches.find(reader);
      prefix = prefix.shorter;
    }
  }
  reader.end();
  return match;
}

/** What the paths of the frontend hold for a raw path; regular expressions aside. */
export function findPath(frontend: FrontendTable, path: string): PathNode | null {
  return frontend.paths === null ? frontend.everyPath : frontend.paths.find(path);
}
