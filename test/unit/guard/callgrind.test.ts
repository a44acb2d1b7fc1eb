/** Instructions by function, and calls, from what callgrind writes. */
import t from 'tap';
import { callersOf, spentByFunction, total } from '../../../bench/guard/callgrind.ts';

const REPORT = `version: 1
creator: callgrind-3.19.0
positions: line
events: Ir

ob=/build/exchanges
fl=exchange.cc
fn=Serve()
10 5
fi=inlined.h
3 7
fe=exchange.cc
cob=/lib/libc.so.6
cfl=malloc.c
cfn=malloc
calls=2 40
11 60
12 8

fn=Read()
cfn=Serve()
calls=1 10
20 80

ob=/lib/libc.so.6
fl=malloc.c
fn=malloc
40 60

totals: 80
`;

t.test('a function has what is spent in it, inlined code included, and not what it calls', async (t) => {
  const spent = spentByFunction(REPORT);
  t.same(spent, [
    { object: '/lib/libc.so.6', name: 'malloc', instructions: 60 },
    { object: '/build/exchanges', name: 'Serve()', instructions: 20 },
  ]);
  t.equal(
    spent.reduce((sum, { instructions }) => sum + instructions, 0),
    total(REPORT),
  );
});

t.test('who calls a function, and how often', async (t) => {
  t.same(callersOf(REPORT, /^malloc$/), [{ caller: 'Serve()', callee: 'malloc', calls: 2 }]);
});
