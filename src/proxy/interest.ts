/**
 * Which fields the native engine gives with each request, so that matching does not ask for them one by one.
 *
 * Stage before: a table that has come into force. Stage after: the native engine, which asks for each until it is told.
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
