/** The quick reader and the library must agree wherever the quick one gives an answer. */
import fc from 'fast-check';
import t from 'tap';
import { PARSE_LIMITS } from '../../../src/gateway-api/limits.ts';
import { readPlainYaml } from '../../../src/gateway-api/plain-yaml.ts';
import type { Tree } from '../../../src/gateway-api/tree.ts';
import { LibraryReader } from '../../../src/gateway-api/yaml-library.ts';
import { finish } from '../../../src/slices.ts';
import { parse, routeFiles } from './fixtures.ts';

/** Maps as arrays of entries, so that their order is compared too. */
function comparable(tree: Tree): unknown {
  if (tree.type === 'scalar') return tree;
  if (tree.type === 'list') return [tree.offset, tree.items.map(comparable)];
  return [tree.offset, [...tree.entries].map(([key, { offset, value }]) => [key, offset, comparable(value)])];
}

/** Whether the quick reader takes the text; throws when it then differs from the library. */
function agrees(text: string): boolean {
  const quick = finish(readPlainYaml(text, 0, text.length));
  if (quick === null) return false;
  const library = new LibraryReader(text, 0, 0, PARSE_LIMITS.tokens);
  finish(library.read(text));
  const [document, ...more] = library.documents;
  const clean = library.fault === null && more.length === 0 && document?.faults.length === 0;
  if (!clean || JSON.stringify(comparable(quick)) !== JSON.stringify(comparable(document.root))) {
    const found = { fault: library.fault, documents: library.documents.map(({ root }) => comparable(root)) };
    throw new Error(`${JSON.stringify(text)}\n${JSON.stringify(comparable(quick))}\n${JSON.stringify(found)}`);
  }
  return true;
}

/** The caller never passes on a text with one of these. */
const MARKER = /^(?:---|\.\.\.|%)/m;

const documents = [...routeFiles('good-routes'), ...routeFiles('broken-routes')]
  .flatMap(({ text }) => text.split(/^---$/m))
  .map((text) => text.slice(0, 3000));

t.test('the documents of the fixtures: most are taken, none differs', async (t) => {
  const taken = documents.filter(agrees).length;
  t.ok(taken > documents.length / 2, `${taken} of ${documents.length}`);
});

t.test('the fixtures with pieces cut out, put in or doubled', async (t) => {
  const piece = fc.constantFrom(
    '',
    '',
    '\n',
    ' ',
    '  ',
    '- ',
    ':',
    ': ',
    ' #',
    '#',
    "'",
    '"',
    '~',
    '{}',
    '[]',
    'a',
    '0',
    '-',
    '.',
    '\n- ',
    '\n  ',
    ' a: b',
    '\t',
    '\n---\n',
    '|',
    '&a',
    '*a',
    '!',
    '%',
    '?',
    ',',
    '\\',
    'ä',
  );
  const mutation = fc.tuple(fc.nat(3000), fc.nat(30), piece, fc.boolean());
  let taken = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...documents),
      fc.array(mutation, { minLength: 1, maxLength: 3 }),
      (text, mutations) => {
        let mutated = text;
        for (const [at, length, piece, double] of mutations) {
          const start = at % (mutated.length + 1);
          const cut = mutated.slice(start, start + length);
          mutated = mutated.slice(0, start) + piece + (double ? cut + cut : '') + mutated.slice(start + length);
        }
        if (!MARKER.test(mutated) && agrees(mutated)) taken++;
      },
    ),
    { numRuns: 1500 },
  );
  t.ok(taken > 60, `${taken} taken`);
});

const scalar = fc.oneof(
  {
    weight: 30,
    arbitrary: fc.constantFrom('a', 'a b', '/a.b', '80', '10.0.0.1', "'a'", '"a b"', '{}', '[]', 'true', '-5'),
  },
  {
    weight: 8,
    arbitrary: fc.constantFrom(
      'a',
      'a b',
      '1',
      '-1',
      '01',
      '1.5',
      '.5',
      '1e3',
      '0x1f',
      '0o7',
      '1_0',
      '-',
      '--',
      '- a',
      '.inf',
      '-.INF',
      '.nan',
      '~',
      'null',
      'Null',
      'nUll',
      'true',
      'FALSE',
      'yes',
      '10.0.0.1',
      '1:2',
      'a:b',
      'a: b',
      'a:',
      'a #b',
      'a#b',
      '#b',
      "'a'",
      "'a''b'",
      "'a' #b",
      "'a'#b",
      "'a' b",
      "''",
      "'''",
      '"a"',
      '""',
      '"a\\n"',
      '"a',
      "'a",
      '{}',
      '[]',
      '{} #',
      '{}a',
      '[a]',
      '$a',
      '^a$',
      '(a)',
      '+',
      '+1',
      '/a?b=c&d=*',
      '<<',
      '2025-01-31T12:00:00Z',
      '999999999999999999',
      '1.',
      '..',
      '...',
      '90%',
      '',
    ),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 6 }) },
);
const key = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'a-b', 'a.b/c', 'x1') },
  { weight: 1, arbitrary: fc.constantFrom('null', 'True', '1', 'a b', '<<', '-a', '"a"') },
);
const tail = fc.constantFrom('', '', '', ' ', ' # c');

t.test('lines put together at random', async (t) => {
  const line = fc
    .tuple(
      fc.constantFrom(0, 0, 0, 2, 2, 4),
      fc.constantFrom('', '', '', '- ', '-', '-   ', '- - '),
      fc.option(key, { freq: 6 }),
      fc.constantFrom(':', ': ', ': ', ': ', ':  ', ' : '),
      scalar,
      tail,
    )
    .map(([indent, dash, key, colon, scalar, tail]) => {
      return `${' '.repeat(indent)}${dash}${key === null ? '' : key + colon}${scalar}${tail}`;
    });
  const noise = fc.constantFrom('', '  ', '# c', '   # c');
  const lines = fc.array(fc.oneof({ weight: 5, arbitrary: line }, { weight: 1, arbitrary: noise }), { maxLength: 4 });
  let taken = 0;
  fc.assert(
    fc.property(lines, (lines) => {
      const text = lines.join('\n');
      if (!MARKER.test(text) && agrees(text)) taken++;
    }),
    { numRuns: 6000 },
  );
  t.ok(taken > 150, `${taken} taken`);
});

t.test('nested mappings and lists with any indentation', async (t) => {
  type Node =
    | string
    | { readonly entries: [string, Node][]; readonly step: number }
    | { readonly items: Node[]; readonly step: number };
  const { node } = fc.letrec<{ node: Node; map: Node; list: Node }>((tie) => ({
    node: fc.oneof({ maxDepth: 4 }, scalar, tie('map'), tie('list')),
    map: fc.record({
      entries: fc.uniqueArray(fc.tuple(key, tie('node')), { minLength: 1, maxLength: 4, selector: ([name]) => name }),
      step: fc.constantFrom(1, 2, 2, 4),
    }),
    list: fc.record({ items: fc.array(tie('node'), { minLength: 1, maxLength: 3 }), step: fc.constantFrom(0, 2, 2) }),
  }));
  /** Lines of a node whose collections begin at `column`. */
  const lines = (node: Node, column: number): string[] => {
    if (typeof node === 'string') return [' '.repeat(column) + node];
    const indent = ' '.repeat(column);
    if ('entries' in node) {
      return node.entries.flatMap(([name, value]) =>
        typeof value === 'string'
          ? [`${indent}${name}: ${value}`]
          : [`${indent}${name}:`, ...lines(value, column + ('items' in value ? value.step : node.step))],
      );
    }
    return node.items.flatMap((item) => {
      const [first, ...more] = lines(item, column + 2);
      return [`${indent}- ${first!.trimStart()}`, ...more];
    });
  };
  let taken = 0;
  fc.assert(
    fc.property(node, fc.boolean(), (node, newline) => {
      const text = lines(node, 0).join('\n') + (newline ? '\n' : '');
      if (!MARKER.test(text) && agrees(text)) taken++;
    }),
    { numRuns: 3000 },
  );
  t.ok(taken > 150, `${taken} taken`);
});

t.test('flow collections with whatever stands in and around them', async (t) => {
  interface Flow {
    readonly text: string;
  }
  const space = fc.constantFrom('', '', ' ', ' ', '  ');
  const separator = fc.constantFrom(', ', ', ', ', ', ',', ' , ', ',,', ' ');
  const colon = fc.constantFrom(': ', ': ', ': ', ': ', ':', ' : ', ':  ');
  const { flow } = fc.letrec<{ flow: Flow; value: Flow; map: Flow; list: Flow }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      { weight: 4, arbitrary: scalar.map((text) => ({ text })) },
      { weight: 1, arbitrary: tie('map') },
      { weight: 1, arbitrary: tie('list') },
    ),
    flow: fc.oneof(tie('map'), tie('list')),
    map: fc
      .tuple(fc.array(fc.tuple(key, colon, tie('value')), { maxLength: 3 }), separator, space, space)
      .map(([entries, separator, before, behind]) => {
        const texts = entries.map(([key, colon, { text }]) => `${key}${colon}${text}`);
        return { text: `{${before}${texts.join(separator)}${behind}}` };
      }),
    list: fc
      .tuple(fc.array(tie('value'), { maxLength: 3 }), separator, space, space)
      .map(([items, separator, before, behind]) => {
        return { text: `[${before}${items.map(({ text }) => text).join(separator)}${behind}]` };
      }),
  }));
  const holder = fc.constantFrom('k: ', 'k:   ', '- ', '- k: ', 'a:\n  k: ', 'a:\n- ', 'a:\n  - k: ', '');
  const piece = fc.constantFrom(
    '',
    '',
    '',
    '',
    ',',
    ']',
    '}',
    '[',
    '{',
    ':',
    ': ',
    '#',
    ' #',
    "'",
    '"',
    '-',
    '\n',
    '\t',
    '?',
  );
  const behind = fc.constantFrom('', '', '', ' ', ' # c', '# c', ' a', ', a', ': a', ']');
  let taken = 0;
  fc.assert(
    fc.property(
      fc.tuple(holder, flow, behind, piece, fc.nat(60), fc.constantFrom('', '\nz: 1', '\n- 1')),
      ([holder, { text: collection }, behind, piece, at, next]) => {
        const place = at % (collection.length + 1);
        const text = `${holder}${collection.slice(0, place)}${piece}${collection.slice(place)}${behind}${next}`;
        if (!MARKER.test(text) && agrees(text)) taken++;
      },
    ),
    { numRuns: 12_000 },
  );
  t.ok(taken > 300, `${taken} taken`);
});

t.test('rules as people write them by hand are taken', (t) => {
  for (const text of [
    'spec:\n  rules:\n    - matches: [{ path: { type: PathPrefix, value: /p/1 } }]\n      backendRefs: [{ name: v1, port: 80 }]\n',
    "parentRefs: [{group: '', kind: Service, name: web, port: 80}] # the parent\n",
    'filters: [{ type: URLRewrite, urlRewrite: { path: { type: ReplaceFullPath, replaceFullPath: "/a b" }, hostname: a.example } }]\n',
    'a: []\nb: {}\nc: [ ]\nd: { }\ne: [[], [{}]]\n',
  ])
    t.ok(agrees(text), text);
  for (const text of [
    'a: [b\n  , c]\n',
    'a: [b, ]\n',
    'a: {b}\n',
    'a: {"b": 1}\n',
    'a: [b: c]\n',
    'a: [*b]\n',
    'a: [b # c\n  ]\n',
  ])
    t.notOk(agrees(text), text);
  t.end();
});

t.test('literal block scalars, with whatever stands in and around them', async (t) => {
  const content = fc.constantFrom(
    'a',
    'a: b',
    '- a',
    '# c',
    "it's",
    '"',
    '{',
    'ä',
    ' x',
    '    y',
    '',
    ' ',
    '   ',
    '\ta',
    '|',
    'a ',
  );
  const line = fc
    .tuple(fc.constantFrom(0, 1, 2, 2, 2, 3, 4), content)
    .map(([indent, text]) => ' '.repeat(indent) + text);
  const header = fc.constantFrom('|', '|', '|', '|-', '|-', '|+', '|2', '| ', '|-  ', '| # c', '>', '|a');
  const holder = fc.constantFrom('k: ', 'k:   ', '- ', '- k: ', 'a:\n  k: ', 'a:\n- ', 'a:\n  - k: ', '- - ');
  const behind = fc.constantFrom('', 'z: 1', '- 1', '  z: 1', '# c', '  # c', '\n\nz: 1', '- z: 1');
  const step = fc.constantFrom(0, 1, 2, 2, 4);
  let taken = 0;
  fc.assert(
    fc.property(
      fc.tuple(holder, header, fc.array(line, { maxLength: 5 }), behind, step, fc.boolean()),
      ([holder, header, lines, behind, step, newline]) => {
        const body = lines.map((line) => ' '.repeat(step) + line);
        const text = [holder + header, ...body, ...(behind === '' ? [] : [behind])].join('\n') + (newline ? '\n' : '');
        if (!MARKER.test(text) && agrees(text)) taken++;
      },
    ),
    { numRuns: 8000 },
  );
  t.ok(taken > 500, `${taken} taken`);
});

t.test('a ConfigMap as large as they come is read in far less than a second of CPU time', async (t) => {
  const scenario = routeFiles('good-routes').find(({ name }) => name === 'my-server.yaml')!.text;
  const text = `${scenario}---\n`.repeat(Math.ceil((1024 * 1024) / scenario.length));
  const before = process.cpuUsage();
  const { resources, problems } = parse(text);
  const { user, system } = process.cpuUsage(before);
  t.same(problems, []);
  t.ok(resources.length > 3000);
  t.comment(`${text.length} bytes: ${Math.round((user + system) / 1000)} ms`);
  // About 250 ms on a slow machine; work that grows faster than the text would take minutes.
  t.ok(user + system < 2_000_000);
});
