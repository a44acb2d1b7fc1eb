import t from 'tap';
import { compileRegex, MAX_REGEX_STEPS, validateRegex } from '../../../src/routing/regex.ts';

/** Far above what any of these takes, far below what a backtracking engine would. */
const DEADLINE_MS = 5000;

t.test('SPEC M5: an expression must match the whole value, case-sensitively', async (t) => {
  const regex = compileRegex('/v[0-9]+|/old');
  t.ok(regex.matches('/v1'));
  t.ok(regex.matches('/old'));
  t.notOk(regex.matches('/v1/x'));
  t.notOk(regex.matches('/x/v1'));
  t.notOk(regex.matches('/older'));
  t.notOk(regex.matches('/V1'));
  t.ok(compileRegex('(?i)/V1').matches('/v1'));
  t.ok(compileRegex('^/v1$').matches('/v1'), 'anchors of its own do no harm');
  t.ok(compileRegex('').matches(''));
});

t.test('SPEC M5: raw bytes are read as UTF-8', async (t) => {
  const wire = Buffer.from('café', 'utf8').toString('latin1');
  t.ok(compileRegex('caf.').matches(wire));
  t.ok(compileRegex('café').matches(wire));
  t.ok(compileRegex('caf.').matches('caf\xe9'), 'a stray byte is one character');
});

t.test('SPEC M5: expressions that make other engines backtrack answer in bounded time', async (t) => {
  const input = 'a'.repeat(50_000);
  const started = performance.now();
  t.ok(compileRegex('(a+)+$').matches(input));
  for (const source of ['(a+)+b', '(a|aa)+b', '(a|a?)+b', '(a*)*b', '(.*)(.*)(.*)(.*)x', '(x+x+)+y', '(.*a){20}b']) {
    t.notOk(compileRegex(source).matches(`${input}!`), source);
  }
  t.ok(performance.now() - started < DEADLINE_MS);
});

t.test('SPEC M5: the largest accepted expression on the longest accepted value answers in bounded time', async (t) => {
  // Every `a` may be the one counted from: no deterministic automaton of reasonable size exists.
  const regex = compileRegex('[ab]*a[ab]{500}x');
  let seed = 1;
  let input = '';
  for (let i = 0; i < 16_000; i++) {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    input += (seed >> 16) & 1 ? 'a' : 'b';
  }
  const started = performance.now();
  t.notOk(regex.matches(input));
  t.ok(performance.now() - started < DEADLINE_MS);
  t.notOk(compileRegex('a*').matches('a'.repeat(MAX_REGEX_STEPS)), 'a longer value does not match');
});

t.test('SPEC M5: expressions that are malformed, unsupported or too large are refused with a reason', async (t) => {
  t.equal(validateRegex('/v[0-9]+'), null);
  t.equal(validateRegex('[a-z0-9.-]{1,253}'), null, 'a DNS name');
  t.match(validateRegex('a('), /missing closing \)/);
  t.match(validateRegex('[a'), /missing closing \]/);
  t.match(validateRegex('(?=a)b'), /unsupported Perl syntax/);
  t.match(validateRegex('(?<!a)b'), /./);
  t.match(validateRegex('(a)\\1'), /invalid escape sequence/);
  t.match(validateRegex('a{1001}'), /invalid repeat count/);
  t.match(validateRegex('a{600}'), /too large: \d+ instructions, at most 512/);
  t.match(validateRegex('(a{0,1000}){0,1000}'), /too large|invalid repeat count/);
  t.match(validateRegex('('.repeat(5000)), /./);
  t.throws(() => compileRegex('a('));
});

t.test('the same expression is compiled once', async (t) => {
  t.equal(compileRegex('/same/[0-9]+'), compileRegex('/same/[0-9]+'));
});
