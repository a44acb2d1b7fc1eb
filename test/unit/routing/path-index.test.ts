import t from 'tap';
import { createPathIndex } from '../../../src/routing/path-index.ts';
import type { IndexEntry } from '../../../src/routing/string-index.ts';
import { finish } from '../../../src/slices.ts';
import { seededRandom } from '../../support/random-routes.ts';

/** What the index holds for a path. */
interface Entry extends IndexEntry {
  readonly label: string;
}

interface Content {
  readonly exact: ReadonlyMap<string, string>;
  readonly prefixes: ReadonlyMap<string, string>;
}

/** Finds labels. */
interface LabelIndex {
  find(path: string): string | null;
}

function labelled(paths: ReadonlyMap<string, string>): Entry[] {
  return [...paths].map(([key, label]) => ({ key, hash: 0, label }));
}

function labelIndex(large: boolean): (content: Content) => LabelIndex {
  return ({ exact, prefixes }) => {
    const index = finish(createPathIndex({ exact: labelled(exact), prefixes: labelled(prefixes) }, large));
    return { find: (path) => index.find(path)?.label ?? null };
  };
}

const INDEXES: readonly (readonly [string, (content: Content) => LabelIndex])[] = [
  ['find-my-way', labelIndex(false)],
  ['hashing', labelIndex(true)],
];

function paths(exact: readonly string[], prefixes: readonly string[]): Content {
  return {
    exact: new Map(exact.map((path) => [path, `exact ${path}`])),
    prefixes: new Map(prefixes.map((path) => [path, `prefix ${path}`])),
  };
}

/** What the API says of the two kinds of path, word by word. */
function naive({ exact, prefixes }: Content, path: string): string | null {
  const found = exact.get(path);
  if (found !== undefined) return found;
  let best: string | null = null;
  for (const prefix of prefixes.keys()) {
    const covers = prefix === '' || path === prefix || path.startsWith(`${prefix}/`);
    if (covers && (best === null || prefix.length > best.length)) best = prefix;
  }
  return best === null ? null : prefixes.get(best)!;
}

for (const [name, create] of INDEXES) {
  t.test(`SPEC M3: an exact path is found by the same bytes only (${name})`, async (t) => {
    const index = create(paths(['/two', '/Three/', '/'], []));
    t.equal(index.find('/two'), 'exact /two');
    t.equal(index.find('/two/'), null);
    t.equal(index.find('/Two'), null);
    t.equal(index.find('/two/x'), null);
    t.equal(index.find('/Three/'), 'exact /Three/');
    t.equal(index.find('/Three'), null);
    t.equal(index.find('/'), 'exact /');
    t.equal(index.find('//'), null);
  });

  t.test(`SPEC M4: a prefix covers whole segments, the longest one is found (${name})`, async (t) => {
    const index = create(paths(['/abc/x'], ['/abc', '/abc/def', '/ABC']));
    t.equal(index.find('/abc'), 'prefix /abc');
    t.equal(index.find('/abc/'), 'prefix /abc');
    t.equal(index.find('/abc//'), 'prefix /abc');
    t.equal(index.find('/abcd'), null);
    t.equal(index.find('/abc/de'), 'prefix /abc');
    t.equal(index.find('/abc/def'), 'prefix /abc/def');
    t.equal(index.find('/abc/def/x/y'), 'prefix /abc/def');
    t.equal(index.find('/abc/x'), 'exact /abc/x');
    t.equal(index.find('/abc/x/'), 'prefix /abc');
    t.equal(index.find('/ABC/x'), 'prefix /ABC');
    t.equal(index.find('/Abc'), null);
  });

  t.test(`SPEC M4: the prefix / covers every path, even one without a leading slash (${name})`, async (t) => {
    const index = create(paths(['/x'], ['']));
    for (const path of ['/', '/a', '//', '*', 'example.com:443', 'http://a/x', '/%', '/\xff']) {
      t.equal(index.find(path), 'prefix ');
    }
    t.equal(create(paths(['/x'], ['/y'])).find('*'), null);
  });

  t.test(`SPEC M6: the raw path is compared, nothing is decoded (${name})`, async (t) => {
    const exact = ['/a%2Fb', '/caf%C3%A9', '/a:b', '/:a', '/::', '/*', '/a*b', '/a;b', '/%zz', '/%', '/%25', '/a?b'];
    const index = create(paths([...exact, '/a#b', '/%2525', "/(x)'", '/$&'], ['/p:q', '/p*', '/%61', '/p/*']));
    for (const path of exact) t.equal(index.find(path), `exact ${path}`);
    for (const other of [
      '/a/b',
      '/caf\xc3\xa9',
      '/a%3Ab',
      '/xa',
      '/anything',
      '/ab',
      '/a',
      '/%2525x',
      '/%ZZ',
      '/a%3Fb',
    ]) {
      t.equal(index.find(other), null, other);
    }
    t.equal(index.find('/%2525'), 'exact /%2525');
    t.equal(index.find('/p:q/x'), 'prefix /p:q');
    t.equal(index.find('/p*'), 'prefix /p*');
    t.equal(index.find('/pp'), null);
    t.equal(index.find('/p/*/x'), 'prefix /p/*');
    t.equal(index.find('/p/x/x'), null);
    t.equal(index.find('/%61/x'), 'prefix /%61');
    t.equal(index.find('/a/x'), null);
  });

  t.test(`paths of any length and depth are found in bounded time (${name})`, async (t) => {
    const deep = '/ab'.repeat(340);
    const index = create(paths([`${deep}/e`], [deep, '/ab']));
    t.equal(index.find(`${deep}/e`), `exact ${deep}/e`);
    t.equal(index.find(`${deep}/x`), `prefix ${deep}`);
    const started = performance.now();
    for (let i = 0; i < 100; i++) {
      t.equal(index.find(`${'/ab'.repeat(339)}${'/x'.repeat(4000)}`), 'prefix /ab');
      t.equal(index.find('/'.repeat(8000)), null);
      t.equal(index.find(`/${'%'.repeat(8000)}`), null);
    }
    t.ok(performance.now() - started < 10_000, 'milliseconds for 300 lookups of 8 KiB');
  });
}

t.test('SPEC M3, M4, M6: both indexes agree with the definition on random paths', async (t) => {
  const random = seededRandom(1);
  const alphabet = ['a', 'b', 'ab', 'A', '*', ':a', 'a:b', '%2F', '%61', '%', ';', '?', '#', '', '\xe9', '..'];
  const make = () => {
    const segments = Array.from({ length: 1 + Math.floor(random() * 4) }, () =>
      random() < 0.5 ? alphabet[Math.floor(random() * 3)]! : alphabet[Math.floor(random() * alphabet.length)]!,
    );
    return `/${segments.join('/')}`;
  };
  let hits = 0;
  for (let round = 0; round < 300; round++) {
    const content = paths(
      Array.from({ length: 6 }, make),
      Array.from({ length: 6 }, () => (random() < 0.05 ? '' : make().replace(/\/+$/, ''))),
    );
    const indexes = INDEXES.map(([, create]) => create(content));
    for (let i = 0; i < 60; i++) {
      const path = make();
      const expected = naive(content, path);
      if (expected !== null) hits++;
      for (const index of indexes) {
        if (index.find(path) !== expected)
          t.equal(
            index.find(path),
            expected,
            `${path} in ${JSON.stringify([...content.prefixes.keys(), ...content.exact.keys()])}`,
          );
      }
    }
  }
  t.ok(hits > 3000, `${hits} found`);
});
