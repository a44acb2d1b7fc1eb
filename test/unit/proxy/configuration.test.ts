/** A configuration is in force as a whole or not at all, at every moment and whatever fails. */
import t, { type Test } from 'tap';

import { BackendRegistry } from '../../../src/cluster/backends.ts';
import { FrontendRegistry } from '../../../src/cluster/frontends.ts';
import { ServiceResolver } from '../../../src/cluster/resolver.ts';
import { parseRoutes } from '../../../src/config/route-parser.ts';
import type { ConfigSnapshot } from '../../../src/config/snapshot.ts';
import { ConfigurationInForce, type ConfigurationOptions } from '../../../src/proxy/configuration.ts';
import { createLogger } from '../../../src/log.ts';
import type { FrontendAddress } from '../../../src/addon/binding.ts';
import type { HttpRoute } from '../../../src/gateway-api/types.ts';
import { configDump } from '../../../src/admin/config-dump.ts';
import { Metrics } from '../../../src/observe/metrics.ts';
import { decide } from '../../../src/routing/decide.ts';
import { finish } from '../../../src/slices.ts';
import { collected } from '../../support/collect.ts';
import { requestHead } from '../../support/routes.ts';
import { serviceFile } from '../../support/services.ts';

const PARENTS = 4;

/** Services `p0` to `p3`, and `only` of the generation; a route of each with rules of the generation. */
function snapshot(generation: number): ConfigSnapshot {
  const parents = [...Array.from({ length: PARENTS }, (_, index) => `p${index}`), `only${generation}`];
  const routes = parents.map(
    (parent) => `---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: ${parent}, namespace: shop, generation: ${generation}}
spec:
  parentRefs: [{group: "", kind: Service, name: ${parent}, port: 80}]
  rules:
    - matches: [{path: {value: /generation${generation}}}]
      backendRefs: [{name: v${generation}, port: 80}]
`,
  );
  // The Services have other addresses in each generation, too.
  const services = serviceFile(...parents, `v${generation}`).replaceAll('10.96.0.', `10.96.${generation}.`);
  const { resources, problems } = parseRoutes('routes.yaml', `${services}${routes.join('')}`, null);
  const held = { routeSet: null, heldFiles: [], heldRoutes: [] };
  return { generation, hash: `hash${generation}`, valid: true, resources, problems, ...held };
}

type Step = 'attach' | 'documents' | 'compile' | 'backend' | 'series' | 'frontends' | 'capture';

/** Everything real but the acceptor, which gets the lists of frontends. `fail`: the step that throws. */
function start(t: Test) {
  const state = {
    fail: null as Step | null,
    captured: [] as readonly FrontendAddress[],
    changes: 0,
    log: [] as string[],
  };
  const failing = (step: Step): void => {
    if (state.fail === step) throw new Error(`${step} fails`);
  };
  const logger = createLogger('warn', (line) => state.log.push(line));
  const resolver = new ServiceResolver({ logger, servers: ['127.0.0.1:9'], clusterDomain: 'cluster.local' });
  t.teardown(() => resolver.close());
  const backends = new BackendRegistry({ resolver, logger });
  const frontends = new FrontendRegistry({
    resolver,
    logger,
    onChange: (addresses) => {
      failing('capture');
      state.captured = addresses;
    },
  });
  const series = new Metrics();
  const options: ConfigurationOptions = {
    namespace: null,
    resolver: {
      setServices: (services) => resolver.setServices(services),
      setServicesInSteps: function* (services) {
        const steps = resolver.setServicesInSteps(services);
        for (let done = 0; steps.next().done !== true; done++) {
          if (done === 3) failing('documents');
          yield;
        }
      },
    },
    compile: {
      frontendId: (key) => {
        failing('compile');
        return frontends.frontendId(key);
      },
      internBackend: (namespace, name, port) => {
        const backend = backends.intern(namespace, name, port);
        failing('backend');
        return backend;
      },
      internSeries: (labels) => {
        failing('series');
        return series.internSeries(labels);
      },
    },
    backends,
    frontends: {
      get problems() {
        return frontends.problems;
      },
      prepareInSteps: function* (attachment) {
        const prepared = yield* frontends.prepareInSteps(attachment);
        if (state.fail === 'frontends') prepared.abandon();
        failing('frontends');
        return prepared;
      },
    },
    series,
    onChange: () => state.changes++,
  };
  const configuration = new ConfigurationInForce(options);
  const view = () => ({
    ...configuration.current,
    conditions: configuration.current.attachment.conditions,
    problems: [],
    frontendKeys: frontends.keys,
    addresses: frontends.addresses,
    unresolved: frontends.unresolved,
    tornSet: null,
    backends: backends.status(),
  });
  /** Everything that can be seen of what is in force. */
  const seen = () => ({
    configuration: configuration.current,
    captured: state.captured.map(({ address, id }) => `${address} ${id}`),
    unresolved: frontends.unresolved,
    names: resolver.status().map(({ namespace, name, addresses }) => `${namespace}/${name} ${addresses.join()}`),
    backends: backends.status().map(({ backend, error }) => `${backend.key} ${backend.addresses.join()} ${error}`),
    answers: state.captured.map(({ id }) =>
      [1, 2].map((generation) => {
        const decision = decide(configuration.current.table, id, requestHead({ target: `/generation${generation}` }));
        return decision.kind === 'forward' ? decision.backend.key : decision.kind;
      }),
    ),
    changes: state.changes,
  });
  return { state, configuration, view, seen };
}

async function shown(view: Parameters<typeof configDump>[0]) {
  let text = '';
  for await (const piece of configDump(view)) text += piece;
  return JSON.parse(text) as {
    hash: string;
    routes: { observedGeneration: number; name: string }[];
    frontends: { key: string; addresses: string[]; rules: { matches: { path: { value: string } }[] }[] }[];
  };
}

t.test('at every pause of an apply, what is shown and what decides is of one generation', async (t) => {
  const { configuration, view, seen, state } = start(t);
  finish(configuration.apply(snapshot(1)));
  t.equal(state.changes, 1);
  const steps = configuration.apply(snapshot(2));
  let pauses = 0;
  const before = seen();
  for (;;) {
    const done = steps.next().done === true;
    const generation = done ? 2 : 1;
    const { hash, routes, frontends } = await shown(view());
    const parts = {
      hash,
      generations: [...new Set(routes.map(({ observedGeneration }) => observedGeneration))],
      paths: [...new Set(frontends.flatMap(({ rules }) => rules.map(({ matches }) => matches[0]!.path.value)))],
      only: frontends.map(({ key }) => key).filter((key) => key.includes('only')),
      captured: frontends.filter(({ addresses }) => addresses.length === 1).length,
    };
    const expected = {
      hash: `hash${generation}`,
      generations: [generation],
      paths: [`/generation${generation}`],
      only: [`shop/only${generation}:80`],
      captured: PARENTS + 1,
    };
    const same = JSON.stringify(parts) === JSON.stringify(expected);
    if (!same || done) t.same(parts, expected, done ? 'at the end' : `at pause ${pauses}`);
    const { answers, changes } = seen();
    if (!done && JSON.stringify(answers) !== JSON.stringify(before.answers)) t.fail(`decided otherwise at ${pauses}`);
    if (!done && changes !== 1) t.fail(`announced at pause ${pauses}`);
    if (done) break;
    pauses++;
  }
  t.ok(pauses > 20, `${pauses} pauses`);
  t.equal(state.changes, 2);
  t.strictSame(seen().answers[0], ['local', 'shop/v2:80']);
});

t.test('a step that throws leaves all that was in force, and the next apply works', (t) => {
  const steps: Step[] = ['documents', 'compile', 'backend', 'series', 'frontends', 'capture'];
  for (const step of [...steps, 'attach' as const]) {
    const { configuration, seen, state } = start(t);
    finish(configuration.apply(snapshot(1)));
    const before = seen();
    state.fail = step;
    const next = snapshot(2);
    const broken = {
      ...next,
      get resources(): ConfigSnapshot['resources'] {
        throw new Error('attach fails');
      },
    };
    t.throws(() => finish(configuration.apply(step === 'attach' ? broken : next)), new Error(`${step} fails`));
    const after = seen();
    t.equal(after.configuration, before.configuration, `${step}: the very same configuration`);
    // Names are not wanted in any order.
    t.strictSame(after.names.sort(), before.names.sort(), `${step}: the names that are looked up, and their addresses`);
    t.strictSame({ ...after, names: [] }, { ...before, names: [] }, `${step}: frontends, backends, decisions`);
    state.fail = null;
    finish(configuration.apply(next));
    t.equal(configuration.current.snapshot?.hash, 'hash2', `${step}: the next one is applied`);
    t.equal(state.captured.length, PARENTS + 1);
    t.ok(state.captured.every(({ address }) => address.startsWith('10.96.2.')));
    t.same(seen().backends, [`shop/v2:80 10.96.2.${10 + PARENTS + 1} null`]);
  }
  t.end();
});

t.test('what was remembered to have equal parts once is forgotten, whether it came into force or not', (t) => {
  const { configuration, state } = start(t);
  // The Services come first.
  const parentsOf = ({ resources }: ConfigSnapshot) => (resources.at(-1) as HttpRoute).parentRefs;
  const [first, second] = [snapshot(1), snapshot(1)];
  t.equal(parentsOf(second), parentsOf(first));
  finish(configuration.apply(first));
  const third = snapshot(1);
  t.not(parentsOf(third), parentsOf(first));
  t.same(parentsOf(third), parentsOf(first));
  state.fail = 'frontends';
  t.throws(() => finish(configuration.apply(third)), { message: 'frontends fails' });
  t.not(parentsOf(snapshot(1)), parentsOf(third));
  t.end();
});

t.test('a configuration is valid when all its files are, and nothing in it is in error', (t) => {
  const { configuration } = start(t);
  t.equal(configuration.current.valid, false, 'not before there is one');
  const validOf = (next: ConfigSnapshot): boolean => {
    finish(configuration.apply(next));
    return configuration.current.valid;
  };
  t.equal(validOf(snapshot(1)), true);
  t.equal(validOf({ ...snapshot(2), valid: false }), false, 'a file that keeps its last good content');
  const problem = { file: 'routes.yaml', document: 1, line: 1, resource: '', path: '', code: 'bad-path', message: 'm' };
  t.equal(validOf({ ...snapshot(1), problems: [{ ...problem, severity: 'error' }] }), false);
  t.equal(validOf({ ...snapshot(2), problems: [{ ...problem, severity: 'warning' }] }), true);
  t.end();
});

t.test('what is in force is one object that never changes, and another takes its place', (t) => {
  const { configuration } = start(t);
  const seen = [configuration.current];
  for (const generation of [1, 2]) {
    finish(configuration.apply(snapshot(generation)));
    seen.push(configuration.current);
  }
  t.equal(new Set(seen).size, 3);
  t.ok(seen.every((one) => Object.isFrozen(one)));
  t.same(
    seen.map(({ generation, hash, snapshot }) => [generation, hash, snapshot?.generation ?? 0, snapshot?.hash ?? '']),
    [
      [0, '', 0, ''],
      [1, 'hash1', 1, 'hash1'],
      [2, 'hash2', 2, 'hash2'],
    ],
  );
  t.end();
});

t.test('of what is not in force any more nothing is kept, though its Services live on', async (t) => {
  const { configuration } = start(t);
  const former: WeakRef<object>[] = [];
  for (const generation of [1, 2, 3]) {
    finish(configuration.apply(snapshot(generation)));
    const { attachment, snapshot: applied, table } = configuration.current;
    if (generation < 3)
      former.push(...[configuration.current, attachment, applied!, table].map((each) => new WeakRef(each)));
  }
  await collected(former);
  t.same(
    former.map((each) => each.deref()),
    Array.from({ length: 8 }, () => undefined),
  );
  t.equal(configuration.current.generation, 3);
});
