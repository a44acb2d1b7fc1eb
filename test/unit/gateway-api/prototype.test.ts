/** Keys that mean something to JavaScript mean nothing in a route file. */
import t from 'tap';
import { parse, routeText } from './fixtures.ts';
import { matches } from '../../support/match.ts';

const KEYS = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'];

t.test('keys of JavaScript’s own are unknown fields, and change nothing of other objects', async (t) => {
  for (const key of KEYS) {
    const yaml = routeText(`  ${key}: { polluted: yes, required: [] }\n  rules: [{ ${key}: { polluted: 1 } }]\n`);
    const json = `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "${key}": {"polluted": 1}}, "spec": {"clusterIP": "10.96.0.1", "ports": [{"port": 80, "${key}": {"polluted": 1}}]}}`;
    for (const text of [yaml, json]) {
      const { problems } = parse(text);
      t.ok(
        problems.some(({ code, path }) => code === 'unknown-field' && path.includes(key)),
        `${key}: ${problems.map((problem) => `${problem.code} ${problem.path}`).join(', ')}`,
      );
    }
    t.equal(({} as { polluted?: unknown }).polluted, undefined);
    t.equal(([] as { polluted?: unknown }).polluted, undefined);
  }
});

t.test('names of JavaScript’s own are names like others', async (t) => {
  for (const key of ['constructor', 'prototype', 'tostring']) {
    const { resources, problems } = parse(
      routeText(
        `  rules: [{ matches: [{ headers: [{ name: ${key}, value: a }] }], backendRefs: [{ name: ${key}, port: 80 }] }]\n`,
      ),
    );
    t.same(problems, []);
    matches(t, resources, [{ rules: [{ matches: [{ headers: [{ name: key }] }], backendRefs: [{ name: key }] }] }]);
  }
});
