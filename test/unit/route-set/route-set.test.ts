/** Route sets: what is written is read as it was, and never a mixture of two. */
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import t from 'tap';
import { assessSet, decodeSet, openShard } from '../../../src/route-set/decode.ts';
import { partOf, type RouteSet, type SetItem } from '../../../src/route-set/encode.ts';
import { MAX_TEXT_BYTES, shardFile, shardsOf } from '../../../src/route-set/format.ts';
import { encodeSet } from '../../../src/route-set/place.ts';

function item(name: string, version = 1, padding = 0): SetItem {
  const pad = 'x'.repeat(padding);
  const text = JSON.stringify({ kind: 'HTTPRoute', metadata: { namespace: 'shop', name }, version, pad });
  return { kind: 'HTTPRoute', namespace: 'shop', name, text };
}

/** Long enough to be spread over all parts. */
function spreadItems(version: number, count = 60): SetItem[] {
  return Array.from({ length: count }, (_, index) => item(`route-${index}`, version, 8_000));
}

function filesOf(set: RouteSet, generation: number): Map<number, Buffer> {
  return new Map(set.shards.map((shard) => [shard.index, shard.bytes(generation)]));
}

/** The items of a complete set, sorted; null for any other. */
async function itemsIn(files: ReadonlyMap<number, Buffer>): Promise<string[] | null> {
  const decoded = await decodeSet(files);
  if (decoded.state !== 'complete') return null;
  return [...decoded.texts.values()].flatMap((text) => {
    return (JSON.parse(text.toString()) as { items: object[] }).items.map((each) => JSON.stringify(each));
  });
}

const textsOf = (items: readonly SetItem[]): string[] => items.map(({ text }) => text).sort();

t.test('a small set is one shard, a large one is spread; both are read as they were written', async (t) => {
  for (const items of [[], [item('web')], spreadItems(1)]) {
    const set = encodeSet(items);
    t.equal(set.shards.length, items.length > 1 ? 4 : 1);
    const decoded = await decodeSet(filesOf(set, 7));
    t.match(decoded, { state: 'complete', hash: set.hash, generation: 7 });
    t.same((await itemsIn(filesOf(set, 7)))?.sort(), textsOf(items));
  }
});

t.test(
  'equal items give equal bytes in whatever order they come, and the generation is no part of the hash',
  async (t) => {
    const items = spreadItems(1);
    const set = encodeSet(items);
    const again = encodeSet([...items].reverse());
    t.same(filesOf(again, 3), filesOf(set, 3));
    t.equal(again.hash, set.hash);
    for (const generation of [0, 1, 123_456_789]) {
      t.match(await decodeSet(filesOf(set, generation)), { state: 'complete', hash: set.hash, generation });
    }
  },
);

t.test('one change writes the part of its item beside the one that is there, and shard 0, and nothing else', (t) => {
  const items = spreadItems(1);
  const before = encodeSet(items);
  const changed = item('route-5', 2, 8_000);
  const after = encodeSet([...items.filter(({ name }) => name !== 'route-5'), changed], before);
  const there = new Set(before.shards.map(({ index, textHash }) => `${index} ${textHash}`));
  const rewritten = after.shards
    .filter(({ index, textHash }) => !there.has(`${index} ${textHash}`))
    .map(({ index }) => index);
  t.same(rewritten.sort(), [0, shardsOf(partOf(changed))[1]]);
  t.end();
});

t.test('any mixture of shards of several versions is one version, or no set at all', async (t) => {
  const versions = [1, 2, 3].map((version) => {
    // Some items differ, some are the same, some are there in one version only.
    const items = Array.from({ length: 40 + version }, (_, index) => item(`r${index}`, index % 3 ? 1 : version, 9_000));
    return { texts: JSON.stringify(textsOf(items)), files: filesOf(encodeSet(items), version) };
  });
  const anyVersion = fc.integer({ min: 0, max: versions.length });
  let complete = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(anyVersion, { minLength: 8, maxLength: 8 }), fc.boolean(), async (choice, same) => {
      const files = new Map<number, Buffer>();
      for (const [index, chosen] of choice.entries()) {
        const bytes = versions[same ? choice[0]! : chosen]?.files.get(index);
        if (bytes !== undefined) files.set(index, bytes);
      }
      const found = (await itemsIn(files))?.sort() ?? null;
      if (found === null) return true;
      complete++;
      return versions.some(({ texts }) => texts === JSON.stringify(found));
    }),
    { numRuns: 150 },
  );
  t.ok(complete > 0, `${complete} sets were complete`);
});

t.test('shards that arrive in any order are a set with the last one, and torn before', async (t) => {
  const set = encodeSet(spreadItems(1));
  const files = [...filesOf(set, 1)];
  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray(files, { minLength: files.length }), async (order) => {
      const there = new Map<number, Buffer>();
      for (const [index, bytes] of order) {
        there.set(index, bytes);
        const { state } = await decodeSet(there);
        if (state !== (there.size === files.length ? 'complete' : 'torn')) return false;
      }
      return true;
    }),
    { numRuns: 15 },
  );
  t.end();
});

t.test('bytes that are changed, cut or swapped never make another set', async (t) => {
  const items = [...spreadItems(1)];
  const set = encodeSet(items);
  const files = filesOf(set, 1);
  const texts = JSON.stringify(textsOf(items));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(1, 3, 5), fc.nat(), fc.nat(255), fc.boolean(), async (index, at, byte, cut) => {
      const bytes = Buffer.from(files.get(index)!);
      const place = at % bytes.length;
      bytes[place] = byte;
      const found = await itemsIn(new Map([...files, [index, cut ? bytes.subarray(0, place) : bytes]]));
      return found === null || JSON.stringify(found.sort()) === texts;
    }),
    { numRuns: 100 },
  );
  t.end();
});

t.test('shards that shard 0 does not name are no part of the set, whatever is in them', async (t) => {
  const set = encodeSet([item('web')]);
  const files = filesOf(set, 1)
    .set(5, Buffer.from('garbage'))
    .set(3, encodeSet(spreadItems(1)).shards[2]!.bytes(1));
  t.same(await itemsIn(files), [item('web').text]);
});

t.test('what is wrong with a shard is said, and which one it is', async (t) => {
  const root = (middle: string, end = '"items":[\n\n]}'): string => {
    return `{"sideroute":"route-set","format":1,"generation":1,${middle}${end}`;
  };
  const hash = 'a'.repeat(64);
  const good = root('"shard":0,"shards":{},');
  const other = '{"sideroute":"route-set","format":1,"shard":2,"items":[\n\n]}';
  const cases: [string, number, Buffer, RegExp][] = [
    ['no gzip', 0, Buffer.from(good), /^cannot be decompressed: incorrect header check/],
    ['empty', 0, Buffer.alloc(0), /^cannot be decompressed|^is not a shard/],
    ['cut', 0, gzipSync(good).subarray(0, 40), /^cannot be decompressed: unexpected end of file/],
    ['a bomb', 0, gzipSync(Buffer.alloc(MAX_TEXT_BYTES + 1, 32)), /^has more than 8388608 bytes when decompressed/],
    ['not UTF-8', 0, gzipSync(Buffer.from([...Buffer.from(good), 0xff])), /^is not UTF-8/],
    ['something else', 0, gzipSync('kind: HTTPRoute'), /^is not a shard of a route set/],
    ['another format', 0, gzipSync(good.replace('"format":1', '"format":2')), /^has format 2 .* reads format 1$/],
    ['white space', 0, gzipSync(root('"shard": 0,"shards":{},')), /^has a header that no shard/],
    ['the number of another shard', 3, gzipSync(other), /^says that it is shard 2$/],
    ['shard 0 under another name', 2, gzipSync(good), /^says that it is shard 0 and names others$/],
    ['a data shard as shard 0', 0, gzipSync(other), /^says that it is shard 2$/],
    [
      'a data shard that names others',
      2,
      gzipSync(root('"shard":2,"shards":{},')),
      /^says that it is shard 2 and names/,
    ],
    ['names itself', 0, gzipSync(root(`"shard":0,"shards":{"0":"${hash}"},`)), /^names other shards in a way/],
    ['names one twice', 0, gzipSync(root(`"shard":0,"shards":{"1":"${hash}","1":"${hash}"},`)), /^names other/],
    ['no hash', 0, gzipSync(root('"shard":0,"shards":{"1":"abc"},')), /^names other shards/],
    ['the text is cut', 0, gzipSync(root('"shard":0,"shards":{},', '"items":[\n{"a":')), /^ends before its last line$/],
    ['a second member is missing', 0, gzipSync('{"sideroute":"route-set","format":1,"generation":1,'), /^has a header/],
  ];
  for (const [what, index, bytes, damage] of cases) {
    const opened = await openShard(index, bytes);
    t.match(opened, { index, damage }, what);
  }
  t.match(await openShard(0, gzipSync(good)), { index: 0, root: { generation: 1 } }, 'none of it');
});

t.test('a set says which shard it waits for, and which one is damaged', async (t) => {
  const files = filesOf(encodeSet(spreadItems(1)), 1);
  const without = (index: number): Map<number, Buffer> => new Map([...files].filter(([each]) => each !== index));
  t.match(await decodeSet(new Map()), { state: 'absent' });
  t.match(await decodeSet(without(0)), { state: 'torn', shard: 0, message: /is missing/ });
  t.match(await decodeSet(without(3)), {
    state: 'torn',
    shard: 3,
    message: /is missing, and sideroute-set-0.gz names it/,
  });
  const newer = filesOf(encodeSet(spreadItems(2)), 2);
  t.match(await decodeSet(without(3).set(3, newer.get(3)!)), { state: 'torn', shard: 3, message: /another version/ });
  t.match(await decodeSet(without(3).set(3, Buffer.from('x'))), { state: 'damaged', shard: 3 });
  t.match(await decodeSet(without(0).set(0, Buffer.from('x'))), { state: 'damaged', shard: 0 });
});

t.test('a shard is text that people can read line by line', async (t) => {
  const [root] = encodeSet([item('b'), item('a')]).shards;
  const lines = gunzipSync(root!.bytes(1)).toString().split('\n');
  t.same(lines.slice(1, -1), [`${item('a').text},`, item('b').text]);
  t.equal(assessSet(new Map()).state, 'absent');
});

t.test('files are told from others by their names', (t) => {
  t.same(shardFile('sideroute-set-0.gz'), { place: '', index: 0, previous: false });
  t.same(shardFile('/etc/routes/sideroute-set-7.gz'), { place: '/etc/routes/', index: 7, previous: false });
  t.same(shardFile('configmap/sideroute-set-3:sideroute-set-3.gz'), { place: '', index: 3, previous: false });
  t.same(shardFile('/x/sideroute-set-previous.gz'), { place: '/x/', index: 0, previous: true });
  for (const name of ['sideroute-set-8.gz', 'sideroute-set-0', 'my-sideroute-set-0.gz', 'sideroute-set-00.gz']) {
    t.equal(shardFile(name), null, name);
  }
  t.end();
});
