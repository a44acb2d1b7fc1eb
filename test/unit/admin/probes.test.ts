/** What the probes say, with a clock of the test. */
import t from 'tap';
import { createProbes, type ProbeSources } from '../../../src/admin/probes.ts';

interface Sources {
  unresolved: ReturnType<ProbeSources['unresolved']>;
  waitingBackends: readonly string[];
}

function bench() {
  const clock = { now: 1_000 };
  const sources: Sources = { unresolved: [], waitingBackends: [] };
  const probes = createProbes(
    {
      strict: false,
      valid: () => true,
      draining: () => false,
      unresolved: () => sources.unresolved,
      waitingBackends: () => sources.waitingBackends,
    },
    () => clock.now,
  );
  return { clock, sources, probes };
}

t.test('startup waits for what DNS has not answered yet: frontends, and the backends of their routes', async (t) => {
  const { sources, probes } = bench();
  sources.unresolved = [
    { key: 'shop/web:80', reason: 'cluster DNS has not answered yet', waiting: true },
    { key: 'shop/gone:80', reason: 'cluster DNS knows no such Service', waiting: false },
  ];
  sources.waitingBackends = ['shop/v1:80'];
  const [web, v1] = ['frontend shop/web:80 waits for DNS', 'backend shop/v1:80 waits for DNS'];
  t.same(probes.started(), { ready: false, lines: [web, v1] });
  sources.unresolved = [];
  t.same(probes.started(), { ready: false, lines: [v1] });
  sources.waitingBackends = [];
  t.same(probes.started(), { ready: true, lines: [] });
});

t.test('it does not wait for ever, and says what is not there', async (t) => {
  const { clock, sources, probes } = bench();
  sources.waitingBackends = ['shop/v1:80'];
  clock.now += 5_000;
  t.equal(probes.started().ready, false);
  clock.now += 1;
  t.same(probes.started(), { ready: true, lines: ['backend shop/v1:80 waits for DNS'] });
});
