/** The size that is read off an expression bounds the one that its compiled program has. */
import { RE2JS } from 're2js';
import t from 'tap';
import { scanRegex } from '../../../src/regex/syntax.ts';
import { MAX_REGEX_PROGRAM } from '../../../src/regex/regex.ts';

let seed = 7;
function random(below: number): number {
  seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
  return (seed >> 8) % below;
}

const pick = <Item>(items: readonly Item[]): Item => items[random(items.length)]!;

const ATOMS = [
  'a',
  'b',
  '.',
  '\\d',
  '\\W',
  '[a-z]',
  '[^a-f0-9]',
  '[a-]',
  '\\.',
  '^',
  '$',
  '\\b',
  '\\x{41}',
  '(?i)k',
  '{',
  'é',
];
const CLASSES = ['\\pL', '[\\p{Greek}x]', '[[:alpha:]_]', '[^\\]]', '\\Qa*b\\E', '[B-\\x{500}]', '(?i:[a-k])', '[]x]'];
const QUANTIFIERS = ['*', '+', '?', '{2}', '{0}', '{3,}', '{0,}', '{1,4}', '{0,5}', '*?', '{2,3}?', '{,3}', '{0,1}'];

function expression(depth: number): string {
  switch (random(depth > 3 ? 3 : 8)) {
    case 0:
    case 1:
      return pick(ATOMS);
    case 2:
      return pick(CLASSES);
    case 3:
      return `${pick(['(', '(?:', '(?P<n>', '(?s:'])}${expression(depth + 1)})${pick(['', ...QUANTIFIERS])}`;
    case 4:
      return `${expression(depth + 1)}|${pick(['', expression(depth + 1)])}`;
    case 5:
      return `${pick(ATOMS)}${pick(QUANTIFIERS)}`;
    default:
      return `${expression(depth + 1)}${expression(depth + 1)}`;
  }
}

t.test('SPEC V10: no program is larger than what is read off its expression', async (t) => {
  let compiled = 0;
  const wrong: string[] = [];
  for (let i = 0; i < 20_000; i++) {
    const source = expression(0);
    let actual: number;
    try {
      actual = RE2JS.compile(source).programSize();
    } catch {
      scanRegex(source);
      continue;
    }
    compiled++;
    if (scanRegex(source).size < actual) wrong.push(`${source}: ${actual}`);
  }
  t.ok(compiled > 10_000, `${compiled} compile`);
  t.same(wrong.slice(0, 10), []);
});

t.test('SPEC V10: what is read off an expression is no more than it has to be', async (t) => {
  for (const [source, actual] of [
    ['/v[0-9]+', 6],
    ['[a-z0-9.-]{1,253}', 507],
    ['a{500}', 502],
    ['([a-z]{1,30}){1,30}', 1861],
    [Array.from({ length: 300 }, (_, index) => `/path-${index}`).join('|'), 2_000],
    ['x'.repeat(4096), 4098],
  ] as const) {
    const { size } = scanRegex(source);
    t.ok(size <= 2 * actual, `${source.slice(0, 40)}: ${size}`);
  }
  t.ok(scanRegex('x'.repeat(4096)).size <= MAX_REGEX_PROGRAM, 'a literal of the longest header value');
});

t.test('SPEC V10: what takes long to compile is large', async (t) => {
  for (const source of [
    '\\p{L}'.repeat(100),
    '[\\p{L}]'.repeat(100),
    '\\p{L}{500}',
    '(?i)[B-\\x{1e942}]',
    '(?i)[Ā-𞥀]',
    '(?i:[\\x{80}-\\x{1ffff}])',
    '[a-z]{1000}'.repeat(6),
    '([a-z]{0,30}){0,33}([a-z]{0,30}){0,33}([a-z]{0,30}){0,33}',
    `[${Array.from({ length: 500 }, (_, index) => String.fromCharCode(0x4e00 + 2 * index)).join('')}]{600}`,
    '((((a{1000}){1000}){1000}){1000}){1000}',
    Array.from({ length: 1000 }, (_, index) => `${String.fromCharCode(0x4e00 + index)}x`).join('|'),
  ]) {
    t.ok(scanRegex(source).size > MAX_REGEX_PROGRAM, `${source.slice(0, 40)}: ${scanRegex(source).size}`);
  }
});

t.test('anything at all is read, in time linear in its length', async (t) => {
  const pieces = [
    ...'( ) [ ] { } | * + ? . ^ $ \\ - , : < > = ! P'.split(' '),
    'p{',
    'Q',
    'E',
    'x{',
    '[:',
    ':]',
    '(?',
    '1',
    '\u{1f600}',
    '\ud800',
    '\n',
    '',
  ];
  for (let i = 0; i < 20_000; i++) {
    const source = Array.from({ length: random(24) }, () => pick(pieces)).join('');
    const { size } = scanRegex(source);
    if (!(size >= 2)) t.fail(`${JSON.stringify(source)}: ${size}`);
  }
  for (const source of ['(', '[', '{', '\\', '(?P<', '\\p{', '\\x{', '[:', '\\Q', '(?i', '[a-'].map((part) =>
    part.repeat(4096),
  )) {
    scanRegex(source);
  }
  t.pass('all of them');
});
