/**
 * The examples of GEP-4359, "Gateway API Regex": pattern, input and what of the input matches. Routes match whole values, so
 * an example holds here when the whole input is what matches; behind and before `.*` it holds for every match.
 */
import { RE2JS } from 're2js';
import t from 'tap';
import { compileRegex, validateRegex } from '../../../src/regex/regex.ts';

interface Example {
  /** Equivalent ones. */
  readonly patterns: readonly string[];
  /** Input and what matches of it, null for nothing. */
  readonly inputs: readonly (readonly [string, string | null])[];
}

const whole = (...inputs: string[]): [string, string][] => inputs.map((input) => [input, input]);
const none = (...inputs: string[]): [string, null][] => inputs.map((input) => [input, null]);

const PRINTABLE = Array.from({ length: 0x7f - 0x20 }, (_, index) => String.fromCharCode(0x20 + index));
const SPECIAL = '- . * ( ) { } | ^ $ \\'.split(' ');
const others = (...excluded: string[]): string[] => PRINTABLE.filter((character) => !excluded.includes(character));

const EXAMPLES: readonly Example[] = [
  {
    patterns: ['^(https?://)?www\\.example\\.(com|org)$'],
    inputs: [
      ...whole('www.example.com', 'www.example.org', 'http://www.example.com', 'https://www.example.com'),
      ...whole('http://www.example.org', 'https://www.example.org'),
      ...none('example.com', 'www.example.net', 'www.example.(com|org)', 'www.example.corg', 'www.example.comorg'),
      ...none('ahttp://www.example.org', 'http://www.example.orga'),
    ],
  },
  { patterns: ['a*'], inputs: [...whole('', 'a'), ['vaaaaaa', ''], ['b', '']] },
  { patterns: ['a+'], inputs: [...whole('a'), ['baaaaab', 'aaaaa'], ...none('', 'b')] },
  {
    patterns: ['^colo(u|)r$', '^colou?r$', '^colo(u)?r$', '^colou{0,1}r$'],
    inputs: [...whole('color', 'colour'), ...none('colouur', 'colo(u)r')],
  },
  { patterns: ['\\*+'], inputs: whole('*', '****') },
  { patterns: ['[a-zA-Z0-9.]'], inputs: [...whole('a', 'Z', '5', '.'), ...none('-', ' ')] },
  { patterns: ['[^a-zA-Z]'], inputs: [...whole('-', ' ', '9'), ...none('a', 'Z', 'k')] },
  { patterns: ['^[^^]$'], inputs: [...whole(...others('^')), ...none('', '^', 'ab', '^^', '-^')] },
  { patterns: ['^[-a]$', '^[a-]$'], inputs: [...whole('-', 'a'), ...none('', 'aa', '-a', ...others('-', 'a'))] },
  {
    patterns: ['^[-.*(){}|^$\\\\]$', '^[\\-\\.\\*\\(\\)\\{\\}\\|\\^\\$\\\\]$'],
    inputs: [...whole(...SPECIAL), ...none('', '--', ...others(...SPECIAL))],
  },
  { patterns: ['[\\-Z]'], inputs: [...whole('-', 'Z'), ...none('', ...others('-', 'Z'))] },
  // What the text says beside the tables.
  { patterns: ['\\d'], inputs: [...whole('0', '9'), ...none('', 'a', ' ', '-')] },
  { patterns: ['\\w'], inputs: [...whole('a', 'Z', '0', '_'), ...none('', '-', ' ', '.')] },
  { patterns: ['\\W'], inputs: [...whole('-', ' ', '.', '\t'), ...none('', 'a', 'Z', '0', '_')] },
  { patterns: ['\\s'], inputs: [...whole(' ', '\t'), ...none('', 'a', '_', '-')] },
  { patterns: ['[\\]]'], inputs: [...whole(']'), ...none('\\', '[')] },
  { patterns: ['(a|ab)'], inputs: [...whole('a'), ['ab', 'a']] },
  { patterns: ['a([bc])+a'], inputs: [...whole('aba', 'abca'), ...none('aa', 'ab')] },
];

t.test('SPEC V10, M5: the examples of the portable floor match as they should', async (t) => {
  for (const { patterns, inputs } of EXAMPLES) {
    for (const pattern of patterns) {
      const regex = compileRegex(pattern);
      const found = compileRegex(`.*(${pattern}).*`);
      for (const [input, match] of inputs) {
        const title = `${pattern} on ${JSON.stringify(input)}`;
        t.equal(found.matches(input), match !== null, `${title}: somewhere`);
        // Leftmost-first is how the library finds; the whole value may match in another way than the one found first.
        const matcher = RE2JS.compile(pattern).matcher(input);
        t.equal(matcher.find() ? matcher.group() : null, match, `${title}: which part`);
        if (match === input) t.ok(regex.matches(input), `${title}: the whole`);
        if (match === null) t.notOk(regex.matches(input), `${title}: not at all`);
      }
    }
  }
});

t.test('SPEC V10: the examples of the portable floor are said to be portable', async (t) => {
  for (const pattern of EXAMPLES.flatMap(({ patterns }) => patterns)) {
    t.match(validateRegex(pattern), { fault: null, unportable: null }, pattern);
  }
});

t.test('SPEC V10: what the floor leaves undefined is told, and taken where the library takes it', async (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['[[]', '"[" in brackets'],
    ['[a[b]', '"[" in brackets'],
    ['[[:alpha:]]', '"[" in brackets'],
    ['[]]', '"]" as the first character in brackets'],
    ['[^]a]', '"]" as the first character in brackets'],
    ['a*?', 'two quantifiers in a row, "*?"'],
    ['a+?b', 'two quantifiers in a row, "+?"'],
    ['a{1,2}?', 'two quantifiers in a row, "}?"'],
    ['(?i)a', '"(?i)"'],
    ['(?:a|b)', '"(?:"'],
    ['(?P<name>a)', '"(?P<name>"'],
    ['\\x41', '"\\x"'],
    ['\\x{41}', '"\\x"'],
    ['[\\x41]', '"\\x"'],
    ['a{,2}', 'a repetition without its first number'],
    ['a{,}', 'a repetition without its first number'],
    ['/{id}', '"{" that begins no repetition'],
    ['a{256}', 'more than 255 repetitions'],
    ['a{1,256}', 'more than 255 repetitions'],
    ['\\D', '"\\D"'],
    ['\\S+', '"\\S"'],
    ['\\bword\\b', '"\\b"'],
    ['\\A/x\\z', '"\\A"'],
    ['\\pL', '"\\pL"'],
    ['[\\p{Greek}a]', '"\\p{Greek}"'],
    ['\\Qa.b\\E', '"\\Q"'],
    ['\\n', '"\\n"'],
    ['é', 'characters that are not printable ASCII'],
    ['[à-é]', 'characters that are not printable ASCII'],
  ];
  for (const [pattern, unportable] of cases) {
    t.match(validateRegex(pattern), { fault: null, unportable }, pattern);
  }
  for (const pattern of ['(a)\\1', 'a**', 'a{2}{3}']) {
    const { fault, unportable } = validateRegex(pattern);
    t.not(fault, null, `${pattern} is refused`);
    t.not(unportable, null, pattern);
  }
});

t.test('SPEC V10: ordinary expressions are portable', async (t) => {
  for (const pattern of [
    '/v[0-9]+/(items|carts)/[^/]+',
    '.*',
    '',
    '(|a)',
    'a{2}b{2,}c{2,255}',
    '/a\\.b\\/c\\-d',
    '[\\w.-]+@[\\w-]+',
    '[^\\]\\[]*',
    '^/a$|^/b$',
    '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}',
    '\\{id\\}',
    'a}b]',
  ]) {
    t.match(validateRegex(pattern), { fault: null, unportable: null }, pattern);
  }
});
