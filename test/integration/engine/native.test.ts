import t from 'tap';

import { runEngineCases } from '../../support/engine-cases.ts';
import { nativeFront } from '../../support/native-front.ts';

await runEngineCases(t, 'native', nativeFront());
