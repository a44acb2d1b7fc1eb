import { spawnSync } from 'node:child_process';
import t from 'tap';
import { compileRegex, MAX_REGEX_PROGRAM, MAX_REGEX_STEPS, validateRegex } from '../../../src/regex/regex.ts';

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

function randomLetters(length: number): string {
  let seed = 1;
  let text = '';
  for (let i = 0; i < length; i++) {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    text += (seed >> 16) & 1 ? 'a' : 'b';
  }
  return text;
}

t.test(
  'SPEC M5, V10: the largest accepted expression on the longest accepted value answers in bounded time',
  async (t) => {
    const started = performance.now();
    // Every `a` may be the one counted from: no deterministic automaton of reasonable size exists.
    for (const source of ['[ab]*a[ab]{500}x', `[ab]*a${'[ab]{1000}'.repeat(4)}x`, '[ab]{0,1000}a[ab]{0,1000}x']) {
      for (const length of [1_800, 16_000, 64_000])
        t.notOk(compileRegex(source).matches(randomLetters(length)), source);
    }
    t.ok(performance.now() - started < DEADLINE_MS);
    t.notOk(compileRegex('a*').matches('a'.repeat(3 * MAX_REGEX_STEPS)), 'a longer value does not match');
  },
);

t.test('SPEC V10: a long value is matched by a large expression, too, where its automaton is small', async (t) => {
  const words = Array.from({ length: 400 }, (_, index) => ((index * 2_654_435_761) % 2 ** 32).toString(36));
  const regex = compileRegex(`.*(${words.join('|')}); end`);
  t.ok(regex.size > 1_500, `${regex.size} instructions`);
  const value = `${`${words[17]}; `.repeat(1_500)}${words[399]}; end`;
  t.ok(value.length > MAX_REGEX_STEPS / regex.size);
  t.ok(regex.matches(value));
  t.notOk(regex.matches(`${value}!`));
  t.ok(regex.matches(value), 'again');
});

t.test('SPEC M5, V10: expressions as long as a value can be', async (t) => {
  const paths = Array.from({ length: 100 }, (_, index) => `/shop/${index}/x`).join('|');
  t.match(validateRegex(paths), { fault: null });
  t.ok(compileRegex(paths).matches('/shop/99/x'));
  const literal = 'x'.repeat(4096);
  t.match(validateRegex(literal), { fault: null });
  t.ok(compileRegex(literal).matches(literal));
  const label = '[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?';
  t.match(validateRegex(`${label}(\\.${label}){0,15}`), { fault: null }, 'a DNS name, label by label');
});

t.test(
  'SPEC M5, V10: expressions that are malformed, unsupported or too large are refused with a reason',
  async (t) => {
    const fault = (source: string): string | null => validateRegex(source).fault;
    t.equal(fault('/v[0-9]+'), null);
    t.equal(fault('[a-z0-9.-]{1,253}'), null, 'a DNS name');
    t.match(fault('a('), /missing closing \)/);
    t.match(fault('[a'), /missing closing \]/);
    t.match(fault('(?=a)b'), /unsupported Perl syntax/);
    t.match(fault('(?<!a)b'), /invalid named capture/);
    t.match(fault('(a)\\1'), /invalid escape sequence/);
    t.match(fault('a{1001}'), /invalid repeat count/);
    t.match(
      fault('a{1000}'.repeat(5)),
      new RegExp(`too large: about \\d+ instructions, at most ${MAX_REGEX_PROGRAM} `),
    );
    t.match(fault('(a{0,1000}){0,1000}'), /too large|invalid repeat count/);
    t.match(fault('('.repeat(5000)), /nest|missing closing|too large/);
    t.throws(() => compileRegex('a('), { message: /missing closing \)/ });
  },
);

t.test('SPEC V10: a hostile expression is refused before it is compiled', async (t) => {
  const started = process.cpuUsage();
  for (const source of [
    ...[2, 3, 4].map((count) => `(?i)${'[B-\\x{1e942}]'.repeat(100 * count)}`),
    ...[5, 50, 90].map((count) => '[a-z]{1000}'.repeat(count)),
    ...[5, 50, 90].map((count) => '(?:a?|b?){0,300}'.repeat(count)),
    ...[500, 800].map((count) => '\\p{L}'.repeat(count)),
  ]) {
    t.match(validateRegex(source).fault, /too large/, source.slice(0, 40));
  }
  const { user, system } = process.cpuUsage(started);
  t.ok(user + system < 250_000, `${(user + system) / 1000} ms of processor time, of which compiling took seconds`);
});

t.test('the same expression is compiled once', async (t) => {
  t.equal(compileRegex('/same/[0-9]+'), compileRegex('/same/[0-9]+'));
});

/** Prints the growth of the heap, in MiB, when many expressions have seen many values. */
const MEMORY = `
  const { compileRegex } = await import(process.argv[1]);
  const regexes = Array.from({ length: 400 }, (_, index) => compileRegex('[ab]*a[ab]{12}' + index));
  gc();
  const before = process.memoryUsage().heapUsed;
  let seed = 1;
  for (const regex of regexes) {
    let value = '';
    for (let i = 0; i < 6000; i++) {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      value += (seed >> 16) & 1 ? 'a' : 'b';
    }
    regex.matches(value);
  }
  gc();
  console.log((process.memoryUsage().heapUsed - before) / 1024 / 1024);
`;

t.test('SPEC V10: what expressions remember of the values they saw is bounded for all of them together', async (t) => {
  const module = new URL('../../../src/regex/regex.js', import.meta.url).href;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--expose-gc', '--input-type=module', '--eval', MEMORY, module],
    { encoding: 'utf8' },
  );
  const grown = Number(stdout);
  t.ok(grown < 64, `${grown} MiB ${stderr}`);
});
