import t from 'tap';

import { runEngineCases } from '../../support/engine-cases.ts';
import { uwsFront } from '../../support/uws-front.ts';
import { withoutUws } from '../../support/uws-loads.ts';

if (withoutUws === false) await runEngineCases(t, 'uws', uwsFront());
else t.plan(0, withoutUws);
