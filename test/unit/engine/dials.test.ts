/** Both engines dial a backend that refuses in the same way: their numbers are the same. */
import t from 'tap';
import { REFUSING } from '../../../src/engine/uws/upstream-pools.ts';
import { DIALS } from '../../../src/engine/uws/attempts.ts';
import { read } from '../docs/markdown.ts';

/** The number that a C++ source gives to a name. */
function numberOf(file: string, name: string): number {
  const found = new RegExp(`\\b${name} = ([\\d']+);`).exec(read(`native/src/${file}`));
  return Number(found?.[1]?.replaceAll("'", ''));
}

t.test('the engine uws dials as often as the native one, and with the same pauses', async (t) => {
  t.same(DIALS, {
    rounds: numberOf('upstream/dial_plan.h', 'kRounds'),
    stepMs: numberOf('http/engine_types.h', 'redial_step_ms'),
    refusingRounds: numberOf('upstream/dial_plan.h', 'kRefusingRounds'),
    refusingSteps: numberOf('upstream/dial_plan.h', 'kRefusingSteps'),
  });
});

t.test('and takes a backend for one that refuses everything by the same signs', async (t) => {
  t.same(REFUSING, {
    manyFailures: numberOf('upstream/upstream_pool.cc', 'kManyFailures'),
    refusingMs: numberOf('upstream/upstream_pool.cc', 'kRefusingMs'),
    forgottenMs: numberOf('upstream/upstream_pool.cc', 'kForgottenMs'),
  });
});
