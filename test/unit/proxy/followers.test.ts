/** Where several workers decide by one configuration, all of them go over to another one or none does. */
import t from 'tap';
import type { ConfigSnapshot } from '../../../src/config/snapshot.ts';
import { ConfigurationInForce, type Followers } from '../../../src/proxy/configuration.ts';
import { Slicer } from '../../../src/slices.ts';

type Step = 'prepare' | 'serve' | 'commit';

function snapshot(generation: number): ConfigSnapshot {
  const held = { routeSet: null, heldFiles: [], heldRoutes: [] };
  return { generation, hash: `hash${generation}`, valid: true, resources: [], problems: [], ...held };
}

/** What is done, in its order. `fail`: the step that does not work. */
function start() {
  const state = { fail: null as Step | null, events: [] as string[] };
  const does = (step: string): void => {
    state.events.push(step);
    if (step === state.fail) throw new Error(`${step} fails`);
  };
  let settle: () => void = () => undefined;
  const followers: Followers = {
    *prepare() {
      yield;
      does('prepare');
    },
    serve: () => Promise.resolve().then(() => does('serve')),
    abandon: () => does('abandon'),
    settled: () => {
      does('settled');
      return new Promise((resolve) => (settle = resolve));
    },
  };
  const nothing = (): void => undefined;
  const configuration = new ConfigurationInForce({
    namespace: null,
    resolver: {
      setServices: nothing,
      *setServicesInSteps() {
        yield;
      },
    },
    compile: {
      frontendId: () => 0,
      internBackend: () => {
        throw new Error('there is none');
      },
      internSeries: () => 0,
    },
    backends: {
      ...{ beginCompile: nothing, endCompile: nothing, abandonCompile: nothing },
      firstAnswers: () => Promise.resolve(),
    },
    frontends: {
      problems: [],
      *prepareInSteps() {
        yield;
        return { commit: () => does('commit'), abandon: () => does('abandon frontends') };
      },
    },
    series: { beginCompile: nothing, endCompile: nothing },
    followers: () => followers,
    onChange: () => does('change'),
  });
  const slicer = new Slicer();
  return {
    ...{ state, configuration },
    settle: () => settle(),
    apply: (generation: number) => slicer.run(configuration.apply(snapshot(generation))),
  };
}

t.test('the others go over first, then this one; it is shown when they have heard everything of it', async (t) => {
  const { state, configuration, settle, apply } = start();
  const applied = apply(1);
  while (!state.events.includes('settled')) await new Promise((resolve) => setImmediate(resolve));
  t.same(state.events, ['prepare', 'serve', 'commit', 'change', 'settled']);
  t.equal(configuration.current.generation, 1);
  t.equal(configuration.everywhere.generation, 0);
  settle();
  await applied;
  t.equal(configuration.everywhere.generation, 1);
});

for (const [step, events] of [
  ['prepare', ['prepare', 'abandon']],
  ['serve', ['prepare', 'serve', 'abandon frontends', 'abandon']],
  ['commit', ['prepare', 'serve', 'commit', 'abandon frontends', 'abandon']],
] as const) {
  t.test(`when ${step} fails, what was in force is so for all`, async (t) => {
    const { state, configuration, apply } = start();
    state.fail = step;
    await t.rejects(apply(1), { message: `${step} fails` });
    t.same(state.events, events);
    t.equal(configuration.current.generation, 0);
    t.equal(configuration.everywhere.generation, 0);
  });
}
