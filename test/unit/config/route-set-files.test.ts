/** Route sets in the route directory: only whole ones are taken, the last one stays, and what is wrong is said. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { RouteDirectory, loadRouteDirectory } from '../../../src/config/route-directory.ts';
import { parseRoutes, parseRoutesBesides } from '../../../src/config/route-parser.ts';
import type { ConfigSnapshot } from '../../../src/config/snapshot.ts';
import { problemText } from '../../../src/gateway-api/problem-text.ts';
import { createLogger } from '../../../src/log.ts';
import { Slicer } from '../../../src/slices.ts';
import { ConfigMapMount } from '../../support/config-map-mount.ts';
import { eventually } from '../../support/eventually.ts';
import { replacedFiles, setFiles, setHash } from '../../support/route-set.ts';
import { matches } from '../../support/match.ts';

function route(name: string, spec: object = {}, more: object = {}): object {
  return {
    ...{
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'HTTPRoute',
      metadata: { namespace: 'shop', name, ...more },
    },
    spec: { parentRefs: [{ group: '', kind: 'Service', name: 'web', port: 80 }], ...spec },
  };
}

/** Enough to be spread over shards 1, 3 and 5; each names its version. */
function spread(version: number, count = 60): object[] {
  const annotations = { version: String(version), padding: 'x'.repeat(8_000) };
  return Array.from({ length: count }, (_, index) => route(`r${index}`, {}, { annotations, generation: version }));
}

class Watched {
  readonly snapshots: ConfigSnapshot[] = [];
  readonly parsed: string[] = [];
  readonly volume: ConfigMapMount;
  readonly directory: RouteDirectory;

  constructor(t: Test, files: Readonly<Record<string, string | Buffer>>, tornAfterMs = 600_000) {
    const parent = mkdtempSync(join(tmpdir(), 'sideroute-sets-'));
    this.volume = new ConfigMapMount(join(parent, 'routes'), files);
    this.directory = new RouteDirectory({
      path: this.volume.path,
      parse: (file, text, layout) => {
        this.parsed.push(file);
        return parseRoutes(file, text, 'shop', { layout });
      },
      onChange: (snapshot) => void this.snapshots.push(snapshot),
      logger: createLogger('error', () => undefined),
      ...{ pollMs: 60_000, tornAfterMs },
    });
    t.teardown(() => {
      this.directory.close();
      rmSync(parent, { recursive: true });
    });
  }

  get last(): ConfigSnapshot {
    return this.snapshots.at(-1)!;
  }

  /** Versions of the routes that are there. */
  versions(): number[] {
    const generations = this.last.resources.map((each) => (each.kind === 'HTTPRoute' ? each.generation! : 0));
    return [...new Set(generations)];
  }
}

t.test('a set is read beside files, and its hash is part of that of the directory', async (t) => {
  const files = { 'own.yaml': JSON.stringify(route('own')), ...setFiles([route('a'), route('b')], 4) };
  const watched = new Watched(t, files);
  await watched.directory.start();
  t.same(watched.last.resources.map(({ name }) => name).sort(), ['a', 'b', 'own']);
  matches(t, watched.last, {
    ...{ valid: true, problems: [], generation: 1 },
    routeSet: { generation: 4, hash: setHash([route('a'), route('b')]) },
  });
  const source = watched.last.resources.find(({ name }) => name === 'b')!.source;
  t.same(source, { file: 'sideroute-set-0.gz', document: 2, line: 3 });
  const { hash } = watched.last;
  t.equal(
    (
      await loadRouteDirectory(watched.volume.path, (...args) =>
        parseRoutes(args[0], args[1], 'shop', { layout: args[2] }),
      )
    ).hash,
    hash,
  );
});

t.test('one change parses the shard it is in and shard 0', async (t) => {
  const watched = new Watched(t, setFiles(spread(1), 1));
  await watched.directory.start();
  t.equal(watched.parsed.length, 4);
  t.equal(watched.last.resources.length, 60);
  watched.parsed.length = 0;
  const changed = [...spread(1).slice(1), route('r0', {}, { generation: 2 })];
  watched.volume.write(setFiles(changed, 2));
  await eventually('the change is there', () => watched.last.routeSet?.generation === 2);
  t.equal(watched.parsed.length, 2);
  t.same(watched.versions().sort(), [1, 2]);
  t.equal(watched.last.resources.length, 60);
});

t.test('nothing of a torn set is taken, whichever shards are late and in whatever order they come', async (t) => {
  const before = setFiles(spread(1), 1);
  const after = setFiles(spread(2), 2);
  const names = Object.keys(after);
  for (const order of [names, [...names].reverse()]) {
    const watched = new Watched(t, before);
    await watched.directory.start();
    const { hash } = watched.last;
    const now: Record<string, Buffer> = { ...before };
    for (const [arrived, name] of order.entries()) {
      now[name] = after[name]!;
      watched.volume.write(now);
      if (arrived === order.length - 1) break;
      // What is seen of a torn set is that it is one.
      const seen = watched.directory.tornSet?.message;
      await eventually('it is seen', () => watched.directory.tornSet !== null || seen !== undefined);
    }
    await eventually('the new set is there', () => watched.last.routeSet?.generation === 2);
    for (const snapshot of watched.snapshots) {
      const generations = snapshot.resources.map((each) => (each.kind === 'HTTPRoute' ? each.generation : 0));
      t.equal(new Set(generations).size, 1);
      t.equal(snapshot.resources.length, 60);
      t.equal(snapshot.valid, true, 'it has not lasted');
    }
    t.not(watched.last.hash, hash);
    t.equal(watched.directory.tornSet, null);
  }
});

t.test('a set that stays torn is a problem, which ends with it', async (t) => {
  const whole = setFiles(spread(1), 1);
  const watched = new Watched(t, whole, 40);
  await watched.directory.start();
  const { hash, generation } = watched.last;
  const { 'sideroute-set-3.gz': late, ...others } = setFiles(spread(2), 2);
  watched.volume.write(others);
  await eventually('it has lasted', () => !watched.last.valid);
  t.match(watched.last, { hash, generation, routeSet: { generation: 1 } });
  matches(t, watched.last.problems, [
    {
      ...{ severity: 'error', code: 'torn-set', file: 'sideroute-set-3.gz' },
      message: 'is missing, and sideroute-set-0.gz names it; the routes of generation 1 are served',
    },
  ]);
  t.match(watched.directory.tornSet, { shard: 3 });
  t.same(watched.versions(), [1]);
  watched.volume.write({ ...others, 'sideroute-set-3.gz': late! });
  await eventually('it is whole', () => watched.last.valid);
  t.same(watched.versions(), [2]);
  t.same(watched.last.problems, []);

  watched.volume.write({ 'sideroute-set-3.gz': late! });
  await eventually('shard 0 is missed', () => !watched.last.valid);
  matches(t, watched.last.problems, [{ code: 'torn-set', file: 'sideroute-set-0.gz' }]);
  t.same(watched.versions(), [2]);
  watched.volume.write({});
  await eventually('a set that is removed is gone', () => watched.last.valid);
  matches(t, watched.last, { resources: [], problems: [], routeSet: null });
});

t.test('at start half of a set is none, which is said at once', async (t) => {
  const { 'sideroute-set-5.gz': late, ...others } = setFiles(spread(1), 1);
  const watched = new Watched(t, { ...others, 'own.yaml': JSON.stringify(route('own')) });
  await watched.directory.start();
  t.same(
    watched.last.resources.map(({ name }) => name),
    ['own'],
  );
  t.match(watched.last, { valid: false, routeSet: null });
  matches(t, watched.last.problems, [{ code: 'torn-set', message: /; no route of the set is served$/ }]);
  watched.volume.write({ ...others, 'sideroute-set-5.gz': late! });
  await eventually('the set is there', () => watched.last.valid);
  t.equal(watched.last.resources.length, 60);
});

t.test('who starts while a set is under way serves the one before, which shard 0 brings along', async (t) => {
  const { before, next, hash } = replacedFiles(spread(1), spread(2), 2);
  const { 'sideroute-set-4.gz': late, ...arrived } = next;
  const watched = new Watched(t, { ...before, ...arrived }, 40);
  await watched.directory.start();
  t.same(watched.versions(), [1]);
  t.equal(watched.last.resources.length, 60);
  matches(t, watched.last, { valid: true, routeSet: { generation: 1, hash: setHash(spread(1)) }, problems: [] });
  t.match(watched.directory.tornSet, { shard: 4 });
  await eventually('it has lasted', () => !watched.last.valid);
  matches(t, watched.last.problems, [
    { code: 'torn-set', message: 'is missing, and sideroute-set-0.gz names it; the routes of generation 1 are served' },
  ]);
  watched.volume.write({ ...before, ...next, 'sideroute-set-4.gz': late! });
  await eventually('the new one is there', () => watched.last.routeSet?.hash === hash);
  t.same(watched.versions(), [2]);
  matches(t, watched.last, { valid: true, problems: [] });

  watched.volume.write({ ...before, ...arrived });
  await eventually('it is torn again', () => !watched.last.valid);
  t.same(watched.versions(), [2], 'whoever serves the new one does not go back');
  t.match(watched.last, { routeSet: { generation: 2, hash } });
});

t.test('a small set that becomes a large one is the one before, too', async (t) => {
  const { before, next } = replacedFiles([route('a')], spread(2), 2);
  const { 'sideroute-set-1.gz': late, ...arrived } = next;
  t.ok(late);
  const watched = new Watched(t, { ...before, ...arrived });
  await watched.directory.start();
  matches(t, watched.last, { valid: true, resources: [{ name: 'a' }], routeSet: { generation: 1 } });
  watched.volume.write(next);
  await eventually('the new one is there', () => watched.last.resources.length === 60);
});

t.test('a damaged shard 0 leaves the set before to who starts; half of that is none', async (t) => {
  const { before, next } = replacedFiles(spread(1), spread(2), 2);
  const all = { ...before, ...next };
  const watched = new Watched(t, { ...all, 'sideroute-set-0.gz': Buffer.from('no gzip') });
  await watched.directory.start();
  matches(t, watched.last, { valid: false, routeSet: { generation: 1 }, problems: [{ code: 'damaged-set' }] });
  t.same(watched.versions(), [1]);

  const { 'sideroute-set-2.gz': newer, 'sideroute-set-1.gz': older, ...none } = all;
  t.ok(newer && older);
  const without = new Watched(t, none);
  await without.directory.start();
  matches(t, without.last, { valid: false, routeSet: null, problems: [{ code: 'torn-set' }] });
  t.equal(without.last.resources.length, 0);
});

t.test('a damaged shard is said with its cause, and the last set stays', async (t) => {
  const whole = setFiles(spread(1), 1);
  const watched = new Watched(t, whole);
  await watched.directory.start();
  const shard = whole['sideroute-set-3.gz']!;
  const cases: [Buffer, RegExp][] = [
    [Buffer.from('no gzip'), /^cannot be decompressed/],
    [shard.subarray(0, shard.length - 40), /^cannot be decompressed: unexpected end of file/],
    [gzipSync(Buffer.alloc(20_000_000, 32)), /^has more than 8388608 bytes when decompressed/],
    [whole['sideroute-set-1.gz']!, /^says that it is shard 1/],
    [Buffer.alloc(5_000_000), /^is larger than/],
  ];
  for (const [bytes, message] of cases) {
    watched.volume.write({ ...whole, 'sideroute-set-3.gz': bytes });
    await eventually(String(message), () => watched.last.problems.some((each) => message.test(each.message)));
    t.match(watched.last, { valid: false, routeSet: { generation: 1 } });
    matches(t, watched.last.problems, [{ code: 'damaged-set', file: 'sideroute-set-3.gz' }]);
    t.equal(watched.last.resources.length, 60);
  }
  watched.volume.write(whole);
  await eventually('it is mended', () => watched.last.valid);
  t.same(watched.last.problems, []);
});

t.test('a problem of an item names file, line and object; a refused edit is held as in a file', async (t) => {
  const watched = new Watched(t, setFiles([route('a'), route('b')], 1));
  await watched.directory.start();
  const refused = route('b', { rules: [{ matches: [{ path: { value: 'no-slash' } }] }] });
  watched.volume.write(setFiles([route('a'), refused], 2));
  await eventually('the edit is there', () => watched.last.routeSet?.generation === 2);
  matches(t, watched.last, { valid: false, heldRoutes: ['HTTPRoute shop/b'] });
  t.match(
    problemText(watched.last.problems[0]!),
    /^sideroute-set-0\.gz:3: error: HTTPRoute shop\/b: spec\.rules\[0\]\.matches\[0\]\.path\.value: /,
  );
});

t.test('a set whose items are no text of objects is refused as a whole', async (t) => {
  const watched = new Watched(t, setFiles([route('a')], 1));
  await watched.directory.start();
  const text = '{"sideroute":"route-set","format":1,"generation":2,"shard":0,"shards":{},"items":[\n{"a": [,\n{}\n]}';
  watched.volume.write({ 'sideroute-set-0.gz': gzipSync(text) });
  await eventually('it is refused', () => !watched.last.valid);
  matches(t, watched.last, { routeSet: { generation: 1 }, resources: [{ name: 'a' }] });
  matches(t, watched.last.problems, [{ code: 'syntax-error', file: 'sideroute-set-0.gz', line: 2 }]);
  watched.volume.write(setFiles([route('a'), route('b')], 3));
  await eventually('it is mended', () => watched.last.valid);
  t.equal(watched.last.resources.length, 2);
});

t.test('the last set is the one to which a broken update is taken back', async (t) => {
  const whole = setFiles(spread(1), 1);
  const watched = new Watched(t, whole, 20);
  await watched.directory.start();
  watched.volume.write({ ...whole, ...setFiles(spread(2), 2), 'sideroute-set-1.gz': whole['sideroute-set-1.gz']! });
  await eventually('it has lasted', () => !watched.last.valid);
  watched.parsed.length = 0;
  watched.volume.write(whole);
  await eventually('it is taken back', () => watched.last.valid);
  t.same(watched.parsed, [], 'nothing is parsed again');
  t.same(watched.versions(), [1]);
});

t.test('a directory without volume may have a set', async (t) => {
  const path = mkdtempSync(join(tmpdir(), 'sideroute-sets-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  for (const [name, bytes] of Object.entries(setFiles(spread(3), 1))) writeFileSync(join(path, name), bytes);
  const signal = new AbortController().signal;
  const snapshot = await loadRouteDirectory(path, (file, text, layout) =>
    parseRoutesBesides(file, text, 'shop', new Slicer(), signal, layout),
  );
  t.equal(snapshot.resources.length, 60);
  t.equal(snapshot.valid, true);
});

t.test('an item that takes the full parser, and a long time, is parsed in a thread', async (t) => {
  const path = mkdtempSync(join(tmpdir(), 'sideroute-sets-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  // A character that JSON has as it is, and the quick reader leaves to the library.
  const odd = route('odd', {}, { annotations: { note: `\u0085${'x'.repeat(30_000)}` } });
  for (const [name, bytes] of Object.entries(setFiles([route('a'), odd], 1))) writeFileSync(join(path, name), bytes);
  const signal = new AbortController().signal;
  const snapshot = await loadRouteDirectory(path, (file, text, layout) =>
    parseRoutesBesides(file, text, 'shop', new Slicer(), signal, layout),
  );
  t.same(snapshot.resources.map(({ name }) => name).sort(), ['a', 'odd']);
});
