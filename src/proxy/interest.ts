/**
 * Determines the fields that the native engine passes with each request, so that matching does not ask for each of
 * them.
 *
 * Stage before: a new table in force. Stage after: the native engine, which asks for every field until it has been
 * told.
 */
import type { NativeEngine } from '../engine/native/native-engine.ts';
import type { RouteTable } from '../routing/table.ts';
import type { Steps } from '../slices.ts';

export function* tellInterest(engine: Pick<NativeEngine, 'setInterest'>, table: RouteTable): Steps<void> {
  for (const frontend of table.frontends) {
    if (frontend !== undefined) {
      const { headerNames, queryNames } = frontend.reader;
      engine.setInterest(frontend.id, headerNames, queryNames.length > 0);
    }
    yield;
  }
}
