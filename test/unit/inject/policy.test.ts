/** The admission policies as text. What an API server makes of them is in test/cluster/injection-policy.test.ts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { CONTROLLER_NAMESPACE, policyText } from '../../../src/cli/policy.ts';
import { defaultSettings, SETTING_KEYS } from '../../../src/inject/annotations.ts';
import { celRegex, celTemplate, celText, celValue, Expression } from '../../../src/inject/policy/cel.ts';
import { policyObjects } from '../../../src/inject/policy/policy.ts';
import { packageVersion } from '../../../src/package-root.ts';
import { ROOT } from '../../support/manifests.ts';

const version = packageVersion();
const OPTIONS = {
  version,
  settings: defaultSettings(version),
  apiVersion: 'v1',
  namespace: CONTROLLER_NAMESPACE,
} as const;

t.test('the file of the kustomize base is what sideroute policy prints', async (t) => {
  const file = readFileSync(join(ROOT, 'deploy/kustomize/controller/policy/policy.yaml'), 'utf8');
  t.equal(file, policyText(OPTIONS), 'sideroute policy > deploy/kustomize/controller/policy/policy.yaml');
});

t.test('the text reads as the objects', async (t) => {
  const objects = parseAllDocuments(policyText(OPTIONS)).map((document) => document.toJS() as unknown);
  t.same(objects, policyObjects(OPTIONS));
});

t.test('defaults stand in one place, which is JSON', async (t) => {
  const settings = { ...OPTIONS.settings, image: 'it\'s.example/"x"', serviceCidrs: '10.96.0.0/12' };
  const changed = JSON.stringify(policyObjects({ ...OPTIONS, settings }));
  const before = JSON.stringify(policyObjects(OPTIONS));
  const defaults = (text: string) => /"name":"defaults","expression":("(?:[^"\\]|\\.)*")/.exec(text)![1]!;
  t.equal(changed.replaceAll(defaults(changed), ''), before.replaceAll(defaults(before), ''));
  t.match(JSON.parse(JSON.parse(defaults(changed)) as string), {
    image: settings.image,
    'service-cidrs': '10.96.0.0/12',
  });
});

t.test('both policies know every setting, and the older version of the API differs by its name alone', async (t) => {
  const objects = policyObjects(OPTIONS) as unknown as { kind: string; spec: { variables?: { name: string }[] } }[];
  for (const { kind, spec } of objects.filter((object) => object.spec.variables !== undefined)) {
    const names = spec.variables!.map(({ name }) => name);
    for (const key of SETTING_KEYS) t.ok(names.includes(key), `${kind}: ${key}`);
    t.equal(new Set(names).size, names.length);
  }
  const beta = policyText({ ...OPTIONS, apiVersion: 'v1beta1' });
  t.equal(beta.replaceAll('/v1beta1', '/v1'), policyText(OPTIONS));
  t.equal(beta.match(/\/v1beta1/g)?.length, 2, 'validation is general since 1.30');
});

t.test('values to CEL: text, expressions, what may be left out, and lists that grow', async (t) => {
  t.equal(celText(`say "a"`), `'say "a"'`);
  t.equal(celText(`it's\n`), `"it's\\n"`);
  t.equal(celRegex(/^[a-z'/]+$/), String.raw`r'^[a-z\x27/]+$'`);
  t.equal(
    celTemplate((a, b) => `x ${b} y ${a}`, 'first', 'second'),
    "'x ' + second + ' y ' + first",
  );
  t.equal(celValue({ a: [1, true, 'b'] }), "{'a': dyn([dyn(1), dyn(true), dyn('b')])}");
  t.equal(celValue({ a: new Expression('v', 'optional') }), "{?'a': v.optMap(given, dyn(given))}");
  t.equal(
    celValue([{ name: 'A', value: new Expression('v', 'optional') }]),
    "[?v.optMap(given, dyn({'name': dyn('A'), 'value': dyn(given)}))]",
  );
  t.equal(
    celValue([1, { c: { name: new Expression('vs', 'each') } }, 2]),
    "[dyn(1)] +\nvs.map(each, dyn({'c': dyn({'name': dyn(each)})})) +\n[dyn(2)]",
  );
});
