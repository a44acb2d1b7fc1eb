/** The quick reader of JSON and the YAML library must agree wherever the quick one gives an answer; so for long Lists. */
import fc from 'fast-check';
import t from 'tap';
import { PARSE_LIMITS } from '../../../src/gateway-api/limits.ts';
import { readPlainJson } from '../../../src/gateway-api/plain-json.ts';
import type { Tree } from '../../../src/gateway-api/tree.ts';
import { LibraryReader } from '../../../src/gateway-api/yaml-library.ts';
import { readTrees } from '../../../src/gateway-api/yaml-tree.ts';
import { finish } from '../../../src/slices.ts';

/** Maps as arrays of entries, so that their order is compared too. */
function comparable(tree: Tree): unknown {
  if (tree.type === 'scalar') return tree;
  if (tree.type === 'list') return [tree.offset, tree.items.map(comparable)];
  return [tree.offset, [...tree.entries].map(([key, { offset, value }]) => [key, offset, comparable(value)])];
}

function byLibrary(text: string): Tree | null {
  const library = new LibraryReader(text, 0, 0, PARSE_LIMITS.tokens);
  finish(library.read(text));
  const [document, ...more] = library.documents;
  const clean = library.fault === null && more.length === 0 && document?.faults.length === 0;
  return clean ? document.root : null;
}

/** Whether the quick reader takes the text; throws when it then differs from the library. */
function agrees(text: string): boolean {
  const quick = finish(readPlainJson(text, 0, text.length));
  if (quick === null) return false;
  const library = byLibrary(text);
  if (library !== null && JSON.stringify(comparable(quick)) === JSON.stringify(comparable(library))) return true;
  throw new Error(`${JSON.stringify(text)}\n${JSON.stringify(comparable(quick))}`);
}

const key = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom('a', 'b', 'kind', 'metadata', 'items', '<<', '', 'null', '1', 'a b', 'ä: #'),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 6 }) },
);
const { node } = fc.letrec<{ node: unknown }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4 },
    fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null)),
    fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('yes', '10', '# a', 'a: b', '\\', '"', 'x\ny', '\u2028', ' '),
    ),
    fc.array(tie('node'), { maxLength: 4 }),
    fc.dictionary(key, tie('node'), { maxKeys: 4 }),
  ),
}));

t.test('any JSON, on one line or on many', async (t) => {
  let taken = 0;
  let all = 0;
  fc.assert(
    fc.property(
      fc.dictionary(key, node, { minKeys: 1 }),
      fc.constantFrom(0, 1, 4),
      fc.boolean(),
      (value, indent, end) => {
        all++;
        if (agrees(JSON.stringify(value, null, indent) + (end ? '\n' : ''))) taken++;
      },
    ),
    { numRuns: 3_000 },
  );
  t.ok(taken > all / 3, `${taken} of ${all} taken`);
});

t.test('JSON with pieces cut out, put in or doubled', async (t) => {
  const piece = fc.constantFrom(
    '',
    '',
    '\n',
    ' ',
    ',',
    ':',
    '"',
    '\\',
    '{',
    '}',
    '[',
    ']',
    '#',
    "'",
    '\t',
    '\r',
    '1',
    '-',
    '.',
    'e',
    'true',
    'nul',
    '\\u12',
    '\ufeff',
    '//',
  );
  const mutation = fc.tuple(fc.nat(400), fc.nat(8), piece, fc.boolean());
  let taken = 0;
  fc.assert(
    fc.property(
      fc.dictionary(key, node, { minKeys: 1 }),
      fc.constantFrom(0, 2),
      fc.array(mutation, { minLength: 1, maxLength: 2 }),
      (value, indent, mutations) => {
        let text = JSON.stringify(value, null, indent);
        for (const [at, length, piece, double] of mutations) {
          const start = at % (text.length + 1);
          const cut = text.slice(start, start + length);
          text = text.slice(0, start) + piece + (double ? cut + cut : '') + text.slice(start + length);
        }
        if (agrees(text)) taken++;
      },
    ),
    { numRuns: 4_000 },
  );
  t.ok(taken > 60, `${taken} taken`);
});

/** What `readTrees` makes of a text of one document. */
function byReadTrees(text: string): Tree | null {
  let root: Tree | null = null;
  const faults = finish(
    readTrees(text, function* (document) {
      root = document.faults.length > 0 ? null : document.root;
      yield;
    }),
  );
  return faults.length > 0 ? null : root;
}

t.test('a long List is read entry by entry as it is as a whole', async (t) => {
  const plain = '- kind: Pod\n  metadata:\n    name: a\n';
  // Not of the quick reader's subset: text that is folded, flow style, an escape.
  const entries = [
    plain,
    '- kind: Pod\n  metadata:\n    note: some text\n      that goes on\n',
    '- { kind: Pod, metadata: { name: b } }\n',
    '- kind: "P\\u006fd"\n# comment\n\n',
    '-\n  kind: Pod\n',
  ];
  const heads = ['apiVersion: v1\nitems:\n', '# c\nkind: List\nitems:   \n', 'items:\n'];
  const feet = ['kind: List\nmetadata:\n  resourceVersion: ""\n', '', '# c\n', '{a: 1}\n', 'items: 1\n', '\n \n'];
  const filler = `- kind: Pod\n  data: ${'x'.repeat(9_000)}\n`;
  let read = 0;
  const text = fc
    .tuple(
      fc.constantFrom(...heads),
      fc.array(fc.constantFrom(...entries), { minLength: 1, maxLength: 4 }),
      fc.constantFrom(...feet),
      fc.constantFrom('', '  '),
    )
    .map(([head, list, foot, indent]) => {
      const items = [filler, ...list].join('').replaceAll(/^(?=.)/gm, indent);
      return head + items + foot;
    });
  fc.assert(
    fc.property(text, (text) => {
      const [whole, cut] = [byLibrary(text), byReadTrees(text)];
      if (whole === null) return cut === null;
      read++;
      return cut !== null && JSON.stringify(comparable(cut)) === JSON.stringify(comparable(whole));
    }),
    { numRuns: 400 },
  );
  t.ok(read > 150, `${read} read`);
});

t.test('20 MB of JSON are read in a fraction of the time that the library takes', async (t) => {
  const route = (index: number) => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { annotations: { note: `{"a":"${index}"}\n` }, name: `r${index}`, namespace: 'shop' },
    spec: {
      parentRefs: [{ group: '', kind: 'Service', name: 's', port: 80 }],
      rules: [{ matches: [{ path: { type: 'PathPrefix', value: '/' } }] }],
    },
  });
  const json = JSON.stringify(
    { apiVersion: 'v1', items: Array.from({ length: 25_000 }, (_, index) => route(index)), kind: 'List' },
    null,
    4,
  );
  t.ok(json.length > 20_000_000);
  const before = process.cpuUsage();
  t.equal(byReadTrees(json)?.type, 'map');
  const { user } = process.cpuUsage(before);
  t.comment(`${Math.round(user / 1000)} ms`);
  // About a second; the library takes a minute and gigabytes.
  t.ok(user < 10_000_000);
});
