/** What is made of the regular expressions of a route file. */
import t from 'tap';
import { parseRouteFileInSteps } from '../../../src/gateway-api/parse.ts';
import type { ParsedFile } from '../../../src/gateway-api/types.ts';
import { parse, ruleText, summary, validateRegex } from './fixtures.ts';
import { matches } from '../../support/match.ts';

const header = (name: string, value: string): string => `{ type: RegularExpression, name: ${name}, value: '${value}' }`;

/** A rule with one match that asks for these headers. */
const headersRule = (values: readonly string[]): string =>
  `{ matches: [{ headers: [${values.map((value, index) => header(`h${index}`, value)).join(', ')}] }] }`;

t.test('SPEC V10: an expression that others may read differently is told, once for a route', async (t) => {
  const path = "path: { type: RegularExpression, value: '/(?:a|b)' }";
  const query = "queryParams: [{ type: RegularExpression, name: q, value: 'a{,2}' }]";
  const { problems, resources } = parse(
    ruleText(`{ matches: [{ ${path}, headers: [${header('a', '(?:a|b)c')}], ${query} }, { ${path} }] }`),
  );
  matches(t, problems, [
    { severity: 'warning', code: 'unportable-regex', path: 'spec.rules[0].matches[0].path.value', message: /"\(\?:"/ },
    { severity: 'warning', code: 'unportable-regex', path: 'spec.rules[0].matches[0].headers[0].value' },
    { severity: 'warning', code: 'unportable-regex', path: 'spec.rules[0].matches[0].queryParams[0].value' },
  ]);
  t.equal(problems.length, 3);
  matches(t, resources, [{ kind: 'HTTPRoute' }]);
});

t.test('SPEC V10: an expression that cannot be used is not said to be unportable as well', async (t) => {
  const { problems, resources } = parse(ruleText(headersRule(['(?=a)b'])));
  t.same(summary(problems), ['bad-regex spec.rules[0].matches[0].headers[0].value']);
  matches(t, resources, [{ kind: 'RefusedRoute' }]);
});

t.test('SPEC V10: the expressions of a route have a limit together, equal ones count once', async (t) => {
  const rules = (count: number, value: (index: number) => string): string => {
    const names = Array.from({ length: count }, (_, index) => value(index));
    const matches = Array.from({ length: Math.ceil(count / 16) }, (_, row) => names.slice(row * 16, row * 16 + 16));
    return ruleText(matches.map(headersRule).join(', '));
  };
  t.same(summary(parse(rules(40, () => '[a-z]{1000}')).problems.filter(({ severity }) => severity === 'error')), []);
  const { problems, resources } = parse(rules(160, (index) => `${index}[a-z]{1000}`));
  const errors = problems.filter(({ severity }) => severity === 'error');
  t.same(summary(errors), ['bad-regex spec.rules[8].matches[0].headers[2].value'], 'beyond it nothing is compiled');
  t.match(errors[0]?.message, /at most 131072 instructions together/);
  matches(t, resources, [{ kind: 'RefusedRoute' }]);
});

t.test('SPEC V10: other work has its turn between the expressions of a route', async (t) => {
  let judged = 0;
  let most = 0;
  const text = ruleText(headersRule(Array.from({ length: 16 }, (_, index) => `[a-z]{${index + 100}}`)));
  const steps = parseRouteFileInSteps('routes.yaml', text, {
    validateRegex: (source) => {
      judged++;
      return validateRegex(source);
    },
  });
  let parsed: ParsedFile | null = null;
  while (parsed === null) {
    const before = judged;
    const step = steps.next();
    if (step.done === true) parsed = step.value;
    most = Math.max(most, judged - before);
  }
  t.equal(judged, 16);
  t.equal(most, 1, 'expressions between two pauses');
  matches(t, parsed.resources, [{ kind: 'HTTPRoute' }]);
});
