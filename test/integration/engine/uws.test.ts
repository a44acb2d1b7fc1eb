import t from 'tap';

import { runEngineCases } from '../../support/engine-cases.ts';
import { uwsFront } from '../../support/uws-front.ts';

await runEngineCases(t, 'uws', uwsFront());
