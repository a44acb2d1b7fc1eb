/** Shards of route sets: what is in them, and what their hashes depend on. */
import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import {
  compareItems,
  encodeRoot,
  encodeShard,
  isTooLarge,
  partOf,
  type SetItem,
} from '../../../src/route-set/encode.ts';

function item(name: string, kind = 'HTTPRoute', more = ''): SetItem {
  return { kind, namespace: 'ns', name, text: JSON.stringify({ kind, metadata: { namespace: 'ns', name }, more }) };
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

t.test('shard 0 names the others with the hashes of their texts', async (t) => {
  const data = encodeShard(3, [item('a'), item('b')]);
  const root = encodeRoot([data], [item('c')]);
  const dataText = gunzipSync(data.bytes(7)).toString();
  const rootText = gunzipSync(root.bytes(7)).toString();
  t.equal(data.textHash, sha256(dataText));
  t.same(JSON.parse(dataText), {
    ...{ sideroute: 'route-set', format: 1, shard: 3 },
    items: [item('a'), item('b')].map(({ text }) => JSON.parse(text) as object),
  });
  t.same(JSON.parse(rootText), {
    ...{ sideroute: 'route-set', format: 1, generation: 7, shard: 0, shards: { '3': data.textHash } },
    items: [JSON.parse(item('c').text) as object],
  });
  t.same([data.name, data.key], ['sideroute-set-3', 'sideroute-set-3.gz']);
});

t.test('the hash of the set covers everything but the generation', async (t) => {
  const root = encodeRoot([], [item('a')]);
  const text = gunzipSync(root.bytes(41)).toString();
  t.equal(root.textHash, sha256(text.replace('"generation":41', '"generation":0')));
  t.not(encodeRoot([], [item('b')]).textHash, root.textHash);
  t.not(encodeRoot([encodeShard(1, [item('x')])], [item('a')]).textHash, root.textHash);
  t.not(encodeRoot([encodeShard(1, [item('x')])], []).textHash, encodeRoot([encodeShard(1, [item('y')])], []).textHash);
  t.equal(encodeRoot([], [item('a')]).textHash, root.textHash);
  t.ok(
    encodeShard(1, [item('x')])
      .bytes(1)
      .equals(encodeShard(1, [item('x')]).bytes(2)),
  );
});

t.test('an object is always in the same part, and objects are in all of them', async (t) => {
  const counts = new Map<number, number>();
  for (let index = 0; index < 3_000; index++) {
    const part = partOf(item(`r${index}`));
    counts.set(part, (counts.get(part) ?? 0) + 1);
  }
  t.same([...counts.keys()].sort(), [0, 1, 2]);
  for (const count of counts.values()) t.ok(count > 800 && count < 1_200, `${count} of 3,000`);
  t.equal(partOf(item('a')), partOf(item('a', 'HTTPRoute', 'another version')));
});

t.test('Services come before routes, by namespace and name', async (t) => {
  const items = [item('b'), item('a'), item('a', 'GRPCRoute'), item('z', 'Service'), item('y', 'Service')];
  t.same(
    items.sort(compareItems).map(({ kind, name }) => `${kind} ${name}`),
    ['Service y', 'Service z', 'GRPCRoute a', 'HTTPRoute a', 'HTTPRoute b'],
  );
});

t.test('what is more than a ConfigMap takes is told', async (t) => {
  const noise = Array.from({ length: 20_000 }, (_, index) => sha256(String(index))).join('');
  t.equal(isTooLarge(encodeShard(1, [item('small')]), 1), false);
  t.equal(isTooLarge(encodeShard(1, [item('large', 'HTTPRoute', noise)]), 1), false);
  t.equal(isTooLarge(encodeShard(1, [item('huge', 'HTTPRoute', noise + noise)]), 1), true);
});
