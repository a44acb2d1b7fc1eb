/**
 * What pods find while route sets are written: at every moment, in every mixture of what kubelets may know of two sets, and whoever
 * dies between two writes, the set before or the new one, whole.
 */
import fc from 'fast-check';
import t from 'tap';
import { encodeRoot, encodeShard } from '../../../src/route-set/encode.ts';
import {
  ConfigMaps,
  Leader,
  Reader,
  versionOf,
  type ConfigMap,
  type Moment,
} from '../../support/controller/config-maps.ts';

/** Routes in all parts; a few are a small set. */
interface Content {
  readonly count: number;
  /** Of the routes whose number leaves the same rest. */
  readonly versions: readonly number[];
}

const large = fc.record({
  count: fc.constantFrom(40, 44),
  versions: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 4, maxLength: 4 }),
});
const small = fc.record({ count: fc.constant(2), versions: fc.constantFrom([1, 1, 1, 1], [2, 2, 2, 2]) });
const content: fc.Arbitrary<Content> = fc.oneof({ weight: 4, arbitrary: large }, { weight: 1, arbitrary: small });
/** Writes until the leader dies. */
const crash = fc.integer({ min: 0, max: 4 });

function routesOf({ count, versions }: Content): object[] {
  return Array.from({ length: count }, (_, index) => versionOf(`r${index}`, versions[index % versions.length]!));
}

function textOf({ count, versions }: Content): string {
  const names = Array.from({ length: count }, (_, index) => `r${index}@/${versions[index % versions.length]!}`);
  return names.sort().join(' ');
}

const starting = (moment: Moment): Promise<string | null> => new Reader().read(moment);

/** A version of each ConfigMap, whichever of those that it had in these moments. */
function mixture(moments: readonly Moment[], choose: (most: number) => number): Moment {
  const names = new Set(moments.flatMap((moment) => [...moment.keys()]));
  const mixed = new Map<string, ConfigMap>();
  for (const name of names) {
    const versions = [...new Set(moments.map((moment) => moment.get(name)))];
    const chosen = versions[choose(versions.length - 1)];
    if (chosen !== undefined) mixed.set(name, chosen);
  }
  return mixed;
}

t.test(
  'a leader may die before any write: a pod that starts and one that runs have the old set or the new one',
  async (t) => {
    let crashes = 0;
    const step = fc.record({ content, crash: fc.option(crash, { nil: null, freq: 2 }), sameLeader: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 6 }), async (steps) => {
        const configMaps = new ConfigMaps();
        const running = new Reader();
        let leader = new Leader(configMaps);
        for (const { content, crash, sameLeader } of steps) {
          const old = await starting(configMaps.now);
          const next = textOf(content);
          configMaps.forgetPast();
          configMaps.writesLeft = crash ?? Number.POSITIVE_INFINITY;
          if (!sameLeader) leader = new Leader(configMaps);
          const result = await leader.routes(routesOf(content)).write();
          if (result === 'failed') crashes++;
          if (result === 'failed') leader = new Leader(configMaps);
          for (const moment of configMaps.moments) {
            if (![old, next].includes(await starting(moment))) return false;
            if (![old, next].includes(await running.read(moment))) return false;
          }
          if (result === 'written' && (await starting(configMaps.now)) !== next) return false;
        }
        return true;
      }),
      { numRuns: 40 },
    );
    t.ok(crashes > 20, `${crashes} leaders died`);
  },
);

t.test('whatever a kubelet knows of two successive sets, ConfigMap by ConfigMap, one of them is whole', async (t) => {
  let mixtures = 0;
  const steps = fc.array(fc.record({ content, crash: fc.option(crash, { nil: null }) }), {
    minLength: 2,
    maxLength: 4,
  });
  await fc.assert(
    fc.asyncProperty(content, steps, fc.infiniteStream(fc.nat(10_000)), async (first, rest, random) => {
      const choose = (most: number): number => random.next().value % (most + 1);
      const configMaps = new ConfigMaps();
      await new Leader(configMaps).routes(routesOf(first)).write();
      let old = textOf(first);
      for (const { content, crash } of rest) {
        configMaps.forgetPast();
        const next = textOf(content);
        if (crash !== null) {
          // Somebody has begun with yet another set, and has died before shard 0.
          const begun = { ...content, versions: content.versions.map((version) => 4 - version) };
          configMaps.writesLeft = crash;
          await new Leader(configMaps).routes(routesOf(begun)).write();
          configMaps.writesLeft = Number.POSITIVE_INFINITY;
          if ((await starting(configMaps.now)) !== old) {
            old = (await starting(configMaps.now))!;
            configMaps.forgetPast();
          }
        }
        await new Leader(configMaps).routes(routesOf(content)).write();
        const running = new Reader();
        await running.read(configMaps.moments[0]!);
        for (let time = 0; time < 12; time++) {
          const mixed = mixture(configMaps.moments, choose);
          mixtures++;
          if (![old, next].includes((await starting(mixed))!)) return false;
          if (![old, next].includes((await running.read(mixed))!)) return false;
        }
        if ((await running.read(configMaps.now)) !== next) return false;
        old = next;
      }
      return true;
    }),
    { numRuns: 25 },
  );
  t.ok(mixtures > 200, `${mixtures} mixtures`);
});

t.test('a sidecar of before, which takes no set before along, has every set that is written', async (t) => {
  const without = (moment: Moment): Moment =>
    new Map(
      [...moment].map(([name, { metadata, binaryData }]): [string, ConfigMap] => {
        const data = Object.entries(binaryData).filter(([key]) => key === `${name}.gz`);
        return [name, { metadata, binaryData: Object.fromEntries(data) }];
      }),
    );
  const configMaps = new ConfigMaps();
  const leader = new Leader(configMaps);
  for (const [count, version] of [
    [40, 1],
    [40, 2],
    [2, 1],
    [44, 3],
    [44, 1],
  ] as const) {
    const content = { count, versions: [version] };
    await leader.routes(routesOf(content)).write();
    if (version !== 1 || count !== 40) {
      for (const moment of configMaps.moments) t.ok(await starting(without(moment)));
    }
    t.equal(await starting(without(configMaps.now)), textOf(content));
    configMaps.forgetPast();
  }
});

/** As versions of before wrote it: seven parts of one shard each, and nothing said of what shard 0 names. */
function ofBefore(configMaps: ConfigMaps, content: Content): void {
  const items = routesOf(content).map((route, index) => {
    return { kind: 'HTTPRoute', namespace: 'shop', name: `r${index}`, text: JSON.stringify(route) };
  });
  const shards = Array.from({ length: 7 }, (_, index) =>
    encodeShard(
      index + 1,
      items.filter((_, number) => number % 7 === index),
    ),
  );
  for (const shard of [...shards, encodeRoot(shards, [])]) {
    configMaps.put(shard.name, {
      metadata: {
        labels: { 'app.kubernetes.io/managed-by': 'sideroute-controller' },
        annotations: { 'sideroute.dev/text-hash': shard.textHash, 'sideroute.dev/generation': '5' },
      },
      binaryData: { [shard.key]: shard.bytes(5).toString('base64') },
    });
  }
  configMaps.forgetPast();
}

t.test('a set of a version that had one shard for each part is replaced without a gap, too', async (t) => {
  const configMaps = new ConfigMaps();
  const old = { count: 42, versions: [1] };
  ofBefore(configMaps, old);
  t.equal(await starting(configMaps.now), textOf(old));
  const next = { count: 44, versions: [2] };
  const leader = new Leader(configMaps).routes(routesOf(next));
  await leader.write();
  t.same(configMaps.written, ['sideroute-set-0'], 'it is in one shard for a moment');
  t.ok(leader.again.includes(5_000));
  await leader.write();
  t.same(configMaps.written.slice(1).sort(), [
    'sideroute-set-0',
    'sideroute-set-1',
    'sideroute-set-3',
    'sideroute-set-5',
  ]);
  for (const moment of configMaps.moments) t.ok([textOf(old), textOf(next)].includes((await starting(moment))!));
  t.equal(await starting(configMaps.now), textOf(next));
  t.equal(await leader.write(), 'written');
  t.equal(configMaps.written.length, 5, 'and it rests');
});

t.test(
  'what is wrong with a shard that is named is put right where it is, and says that somebody else did it',
  async (t) => {
    const configMaps = new ConfigMaps();
    const content = { count: 40, versions: [1] };
    const leader = new Leader(configMaps).routes(routesOf(content));
    await leader.write();
    configMaps.remove('sideroute-set-3');
    leader.state.dropShard('shop', 'sideroute-set-3');
    configMaps.written.length = 0;
    configMaps.writesLeft = 0;
    t.equal(await leader.write(), 'failed');
    t.equal(leader.writer.repairs, 0, 'nothing is repaired yet');
    configMaps.writesLeft = Number.POSITIVE_INFINITY;
    await leader.write();
    t.same(configMaps.written, ['sideroute-set-3']);
    t.equal(leader.writer.repairs, 1);
    t.equal(await starting(configMaps.now), textOf(content));
  },
);

t.test('a term begins without what was remembered of an earlier one', async (t) => {
  const configMaps = new ConfigMaps();
  const [one, two] = [1, 2].map((version) => ({ count: 2, versions: [version] }));
  const first = new Leader(configMaps).routes(routesOf(one!));
  await first.write();
  t.equal(first.writer.current, 1);
  // Somebody else leads, and the routes are others for a while.
  await new Leader(configMaps).routes(routesOf(two!)).write();
  for (const each of configMaps.now.values()) first.state.shardSink().upsert(each as never);
  first.writer.begin();
  t.equal(first.writer.hashOf('shop'), null);
  await first.write();
  t.equal(first.writer.repairs, 0, 'it is no repair of what somebody else has broken');
  t.equal(await starting(configMaps.now), textOf(one!));
});

t.test(
  'a namespace that lost its sidecars in an earlier term keeps its set as long as one that loses them now',
  async (t) => {
    const configMaps = new ConfigMaps();
    const leader = new Leader(configMaps, { cleanupAfterMs: 600_000 }).routes(routesOf({ count: 2, versions: [1] }));
    await leader.write();
    leader.state.namespaces().upsert({ metadata: { name: 'shop' } });
    await leader.write();
    leader.now = 700_000;
    leader.writer.begin();
    await leader.write();
    t.equal(configMaps.now.size, 1);
    leader.now = 1_400_000;
    await leader.write();
    t.equal(configMaps.now.size, 0);
  },
);

t.test('one who leads no more and does not know it yet spoils no set', async (t) => {
  const configMaps = new ConfigMaps();
  const [one, two, three] = [1, 2, 3].map((version) => ({ count: 40, versions: [version] }));
  const stale = new Leader(configMaps).routes(routesOf(one!));
  await stale.write();
  stale.routes(routesOf(two!));
  configMaps.forgetPast();
  configMaps.beforeWrite = async () => {
    configMaps.beforeWrite = null;
    // Between its decision and its first write another leader has written a set, and it has been told of that.
    await new Leader(configMaps).routes(routesOf(three!)).write();
    for (const each of configMaps.now.values()) stale.state.shardSink().upsert(each as never);
  };
  t.equal(await stale.write(), 'failed');
  for (const moment of configMaps.moments) t.ok([textOf(one!), textOf(three!)].includes((await starting(moment))!));
  t.equal(await starting(configMaps.now), textOf(three!));
});

t.test('nor does he remove what the other leader has put to use', async (t) => {
  const configMaps = new ConfigMaps();
  const [one, two] = [1, 2].map((version) => ({ count: 40, versions: [version] }));
  const stale = new Leader(configMaps, { cleanupAfterMs: 1_000 }).routes(routesOf(one!));
  await stale.write();
  await stale.routes(routesOf({ count: 2, versions: [1] })).write();
  stale.now = 2_000;
  configMaps.beforeWrite = async () => {
    configMaps.beforeWrite = null;
    await new Leader(configMaps).routes(routesOf(two!)).write();
  };
  t.equal(await stale.write(), 'failed');
  t.equal(await starting(configMaps.now), textOf(two!));
});

t.test('what is said of shard 0 and is not so is not believed', async (t) => {
  const configMaps = new ConfigMaps();
  const [one, two] = [1, 2].map((version) => ({ count: 40, versions: [version] }));
  await new Leader(configMaps).routes(routesOf(one!)).write();
  const root = configMaps.now.get('sideroute-set-0')!;
  const { annotations } = root.metadata as unknown as { annotations: Record<string, string> };
  const names = JSON.stringify({ 2: 'a'.repeat(64), 4: 'b'.repeat(64), 6: 'c'.repeat(64) });
  const metadata = { ...root.metadata, annotations: { ...annotations, 'sideroute.dev/shards': names } };
  configMaps.put('sideroute-set-0', { metadata, binaryData: { ...root.binaryData } });
  configMaps.forgetPast();
  const leader = new Leader(configMaps).routes(routesOf(two!));
  await leader.write();
  await leader.write();
  for (const moment of configMaps.moments) t.ok([textOf(one!), textOf(two!)].includes((await starting(moment))!));
  t.equal(await starting(configMaps.now), textOf(two!));
});

t.test('shards that no set needs any more stay for a while, and go then', async (t) => {
  const configMaps = new ConfigMaps();
  const leader = new Leader(configMaps, { cleanupAfterMs: 1_000 }).routes(routesOf({ count: 40, versions: [1] }));
  await leader.write();
  await leader.routes(routesOf({ count: 40, versions: [2] })).write();
  t.equal(configMaps.now.size, 7, 'both of each part');
  leader.now = 5_000;
  await leader.write();
  t.equal(configMaps.now.size, 7, 'for as long as it has items');
  await leader.routes(routesOf({ count: 2, versions: [1] })).write();
  t.equal(configMaps.now.size, 7);
  t.ok(leader.again.includes(1_000));
  leader.now = 5_900;
  await leader.write();
  t.equal(configMaps.now.size, 7);
  leader.now = 6_000;
  await leader.write();
  t.same([...configMaps.now.keys()], ['sideroute-set-0']);
});

t.test(
  'parts that do not fit leave the last set; a set of three parts holds more than two ConfigMaps do',
  async (t) => {
    const configMaps = new ConfigMaps();
    const leader = new Leader(configMaps);
    // Text that hardly compresses, so that its size is that of the bytes.
    let seed = 1;
    const noise = (bytes: number): string => {
      const words: string[] = [];
      for (let index = 0; index < bytes / 6; index++) {
        seed = (seed * 48_271) % 2_147_483_647;
        words.push(seed.toString(36).slice(0, 6));
      }
      return words.join('');
    };
    const routes = (count: number, bytes: number): object[] =>
      Array.from({ length: count }, (_, index) => {
        const route = versionOf(`r${index}`, 1, 0) as { spec: { rules: { name: string }[] } };
        route.spec.rules[0]!.name = noise(bytes);
        return route;
      });
    await leader.routes(routes(115, 24_000)).write();
    const sizes = [...configMaps.now.values()].flatMap(({ binaryData }) =>
      Object.values(binaryData).map((text) => text.length),
    );
    const bytes = (sizes.reduce((sum, size) => sum + size, 0) * 3) / 4;
    t.ok(bytes > 2 * 700 * 1024, `${bytes} bytes`);
    const whole = await starting(configMaps.now);
    t.equal(whole?.split(' ').length, 115);
    await leader.routes(routes(190, 24_000)).write();
    t.ok(leader.writer.tooLarge.has('shop'));
    t.equal(await starting(configMaps.now), whole);
  },
);
