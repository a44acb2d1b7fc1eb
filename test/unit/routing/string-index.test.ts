import t from 'tap';
import { StringIndex, type IndexEntry } from '../../../src/routing/string-index.ts';
import { finish } from '../../../src/slices.ts';

function createIndex(keys: readonly string[]): StringIndex<IndexEntry> {
  return finish(StringIndex.inSteps(keys.map((key): IndexEntry => ({ key, hash: 0 }))));
}

/** Families of keys that differ where a hash of the last few characters does not look, or hardly. */
const FAMILIES: Readonly<Record<string, (index: number) => string>> = {
  'a number at the end': (index) => `tenant-${index}`,
  'a number at the beginning': (index) => `${index}-${'x'.repeat(60)}`,
  'a number in the middle': (index) => `/shop/${index}/items/latest/version/one`,
  'the length alone': (index) => 'a'.repeat(index),
  'code units beyond ASCII': (index) => `\xe9${String.fromCharCode(128 + (index % 128))}${index >> 7}\xff\xff\xff\xff`,
};

for (const [name, family] of Object.entries(FAMILIES)) {
  t.test(`keys that differ by ${name} are told apart, and from what is no key`, async (t) => {
    for (const size of [0, 1, 2, 3, 100, 1_000]) {
      const keys = Array.from({ length: size }, (_, index) => family(index));
      const index = createIndex(keys);
      for (const key of keys) {
        if (index.find(key)?.key !== key) t.fail(`${key} of ${size}`);
        const longer = `${key}/x`;
        if (index.findStart(longer, key.length)?.key !== key) t.fail(`${key} at the beginning of a longer text`);
      }
      for (let other = size; other < size + 100; other++) {
        const text = family(other);
        if (index.find(text) !== null) t.fail(`${text} is in none of ${size}`);
      }
      t.equal(index.find('no such key'), null);
    }
  });
}

t.test('an index is filled with pauses', async (t) => {
  const entries = Array.from({ length: 5_000 }, (_, index): IndexEntry => ({ key: `key-${index}`, hash: 0 }));
  const steps = StringIndex.inSteps(entries);
  let pauses = 0;
  while (steps.next().done !== true) pauses++;
  t.ok(pauses >= 10, `${pauses} pauses`);
});
