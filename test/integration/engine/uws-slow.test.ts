import t from 'tap';

import { runSlowScenarios } from '../../support/engine-scenarios.ts';
import { uwsFront } from '../../support/uws-front.ts';
import { withoutUws } from '../../support/uws-loads.ts';

t.setTimeout(60_000);
if (withoutUws === false) await runSlowScenarios(t, uwsFront());
else t.plan(0, withoutUws);
