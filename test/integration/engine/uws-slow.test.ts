import t from 'tap';

import { runSlowScenarios } from '../../support/engine-scenarios.ts';
import { uwsFront } from '../../support/uws-front.ts';

t.setTimeout(60_000);
await runSlowScenarios(t, uwsFront());
