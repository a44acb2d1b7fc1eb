/** Which parts of a long test are run, and how often. */
import t from 'tap';
import { chosen } from '../../cluster/parts.ts';

const NAMES = ['edits', 'api-server', 'node'];

t.test('all of them once, in their order, unless some are named', async (t) => {
  t.same(
    chosen(NAMES, '').map(({ name, times }) => `${name} ${times}`),
    ['edits 1', 'api-server 1', 'node 1'],
  );
  t.same(chosen(NAMES, 'api-server*5, node'), [
    { name: 'api-server', times: 5 },
    { name: 'node', times: 1 },
  ]);
});

t.test('a part that there is not is an error, not nothing', async (t) => {
  for (const wanted of ['apiserver', 'node*0', 'node*', 'node edit'])
    t.throws(() => chosen(NAMES, wanted), /is not one of/);
});
