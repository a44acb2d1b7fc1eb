/** Whether an expression can match at all: never wrongly no. */
import fc from 'fast-check';
import t from 'tap';
import { compileRegex } from '../../../src/regex/regex.ts';

const ALPHABET = 'abc/? &';
const PATHS = { first: '/', firstBeyondAscii: false, rest: 'abc/&', empty: false };
const VALUES = { first: 'abc/?', firstBeyondAscii: true, rest: 'abc/? ', empty: true };

t.test('expressions for paths', async (t) => {
  for (const dead of [
    'api/.*',
    'a|b',
    '',
    '/a\\?b',
    '(?i)API',
    ' ',
    '/a b',
    '[^/].*',
    '[[:upper:]]+',
    '(a|b)?c',
    'x*',
    'ä',
  ]) {
    t.equal(compileRegex(dead).canMatch(PATHS), false, dead);
  }
  for (const live of ['/', '/.*', '^/a$', '.*', 'a*/b', '(a|/b)', '/[^?]+', '\\b/a', '(?:a?){3}/', '\\x2fa', '/ä']) {
    t.equal(compileRegex(live).canMatch(PATHS), true, live);
  }
});

t.test('expressions for values that may be empty', async (t) => {
  for (const dead of [' .*', '& *x', '\\n', '(?: a| b)']) t.equal(compileRegex(dead).canMatch(VALUES), false, dead);
  for (const live of ['', 'a*', '(?i)ABC', '.*', ' ?a']) t.equal(compileRegex(live).canMatch(VALUES), true, live);
});

t.test('an expression that matches some value can', async () => {
  const atom = fc.constantFrom('a', 'b', '/', '\\?', ' ', '.', '[ab]', '[^a]', '(?i:A)', '^', '$', '\\b', '&');
  const { node } = fc.letrec<{ node: string }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 4 },
      atom,
      fc.tuple(tie('node'), tie('node')).map(([a, b]) => a + b),
      fc.tuple(tie('node'), tie('node')).map(([a, b]) => `(?:${a}|${b})`),
      fc.tuple(tie('node'), fc.constantFrom('*', '+', '?', '{2}')).map(([a, many]) => `(?:${a})${many}`),
    ),
  }));
  const text = fc.array(fc.constantFrom(...Array.from(ALPHABET)), { maxLength: 5 }).map((list) => list.join(''));
  const belongs = (value: string, { first, rest, empty }: typeof PATHS): boolean =>
    value === '' ? empty : first.includes(value[0]!) && Array.from(value.slice(1)).every((one) => rest.includes(one));
  let matched = 0;
  fc.assert(
    fc.property(node, text, (source, value) => {
      const regex = compileRegex(source);
      if (!regex.matches(value)) return true;
      matched++;
      return [PATHS, VALUES].every((values) => !belongs(value, values) || regex.canMatch(values));
    }),
    { numRuns: 5_000 },
  );
  if (matched < 100) throw new Error(`only ${matched} matched`);
});
