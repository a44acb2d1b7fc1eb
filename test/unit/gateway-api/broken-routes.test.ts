/** Every file of test/fixtures/broken-routes says in its first lines (or in FILE.expect) what must be found in it. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseRouteFile } from '../../../src/gateway-api/parse.ts';
import { PROBLEM_CODES } from '../../../src/gateway-api/problem-codes.ts';
import { problemText } from '../../../src/gateway-api/problem-text.ts';
import { FIXTURES, routeFiles, summary, validateRegex, type RouteFile } from './fixtures.ts';
import { matches } from '../../support/match.ts';

const DIRECTORY = 'broken-routes';

function expectations({ name, text }: RouteFile): string[] {
  const beside = join(FIXTURES, DIRECTORY, `${name}.expect`);
  if (existsSync(beside)) return [readFileSync(beside, 'utf8').trim()];
  return [...text.matchAll(/^# expect: (.*)$/gm)].map(([, expected]) => expected!).filter((line) => line !== 'nothing');
}

const files = routeFiles(DIRECTORY);
const parseAll = () => files.map(({ name, text }) => parseRouteFile(name, text, { validateRegex }));

t.test('there are many broken files, no two with the same text of problem', async (t) => {
  t.ok(files.length >= 50, `${files.length} files`);
  const texts = parseAll().flatMap(({ problems }) => problems.map(problemText));
  t.equal(new Set(texts).size, texts.length);
});

for (const file of files) {
  const expected = expectations(file);
  t.test(`${file.name}: ${expected.join(', ') || 'nothing'}`, async (t) => {
    const { problems, resources, unparsable } = parseRouteFile(file.name, file.text, { validateRegex });
    t.same(summary(problems), expected);
    const marked = file.text.split('\n').findIndex((line) => line.includes('# here')) + 1;
    if (marked > 0) t.equal(problems[0]?.line, marked, 'the line of the mistake');
    for (const problem of problems) {
      t.equal(problem.file, file.name);
      t.ok(problem.code in PROBLEM_CODES, problem.code);
      t.type(problem.line, 'number');
      t.ok(problem.message.length > 10, problem.message);
    }
    const routes = resources.filter(({ kind, name }) => kind === 'HTTPRoute' && name !== 'good-neighbour');
    t.same(routes, [], 'a route with an error is not used');
    if (unparsable) t.same(resources, []);
  });
}

t.test('SPEC A14, S5: a good route beside broken ones is unaffected', async (t) => {
  const good = parseAll().flatMap(({ file, resources }) =>
    resources.filter(({ kind }) => kind === 'HTTPRoute').map(({ name }) => `${file} ${name}`),
  );
  t.same(good, [
    'good-neighbour.yaml good-neighbour',
    'list-with-one-bad-item.yaml good-neighbour',
    'second-document-bad.yaml good-neighbour',
  ]);
});

t.test('a refused route is kept with its name and the first of its problems', async (t) => {
  const parsed = parseAll().find(({ file }) => file === 'three-problems-at-once.yaml');
  matches(t, parsed?.resources, [
    {
      kind: 'RefusedRoute',
      routeKind: 'HTTPRoute',
      namespace: 'shop',
      name: 'three-problems-at-once',
      reason: 'Invalid',
      message: 'spec.rules[0].matches[0].path.value: must start with "/", got "cart" (and 2 more)',
      source: { file: 'three-problems-at-once.yaml', document: 1 },
    },
  ]);
});

t.test('every code is shown by some broken file or is tested elsewhere', async (t) => {
  const seen = new Set(parseAll().flatMap(({ problems }) => problems.map(({ code }) => code)));
  const elsewhere = [
    'too-large',
    'bad-merge',
    'not-carried-yet',
    'nested-list',
    'assumed-group',
    'assumed-namespace',
    'empty-field',
    'ambiguous-string',
    'unportable-regex',
    'never-matches',
    'undecoded-value',
  ];
  t.same(
    Object.keys(PROBLEM_CODES).filter((code) => !seen.has(code)),
    elsewhere,
  );
});
