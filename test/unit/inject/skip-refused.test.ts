/** `--skip-refused`: what is refused passes through to the byte, the rest is injected. */
import t from 'tap';
import { defaultSettings } from '../../../src/inject/annotations.ts';
import { injectManifest } from '../../../src/inject/inject.ts';
import { uninjectManifest } from '../../../src/inject/uninject.ts';
import { inject, injected, manifest, manifests, VERSION } from './fixtures.ts';
import { matches } from '../../support/match.ts';

function skipping(text: string, longDocument?: number) {
  const settings = defaultSettings(VERSION);
  return injectManifest('m.yaml', text, { version: VERSION, settings, skipRefused: true, longDocument });
}

const GOOD = manifest('deployment.yaml');

t.test('every kind of refusal: its document stays as it is, the documents around it are injected', async (t) => {
  let looked = 0;
  for (const { name, text } of manifests('inject-refused')) {
    // A text that cannot even be cut into documents is one.
    if (/^(?:%|\.\.\.)/m.test(text)) continue;
    looked++;
    const { problems } = inject(text);
    t.not(problems.length, 0, name);
    const around = skipping(`${GOOD}---\n${text.trimEnd()}\n---\n${GOOD}`);
    t.same(around.problems, [], name);
    t.same(
      around.skipped.map(({ code, path, severity }) => ({ code, path, severity })),
      problems.map(({ code, path }) => ({ code, path, severity: 'warning' })),
      `${name}: the same reasons`,
    );
    t.ok(around.text!.startsWith(injected(GOOD)) && around.text!.endsWith(injected(GOOD)), `${name}: the others`);
    const middle = around.text!.slice(injected(GOOD).length, -injected(GOOD).length);
    const left = around.workloads.some(({ action, document }) => action === 'injected' && document > 1 && document < 3);
    if (!left) t.ok(middle.includes(text.trimEnd()), `${name}: as it is`);
  }
  t.ok(looked > 20, `${looked} refusals`);
});

const pod = (name: string, spec: object) => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec });
const LIST = {
  apiVersion: 'v1',
  kind: 'List',
  items: [
    pod('a', { containers: [{ name: 'app', image: 'app' }] }),
    pod('b', { hostNetwork: true, containers: [{ name: 'app', image: 'app' }] }),
    pod('c', { containers: [{ name: 'istio-proxy', image: 'app' }] }),
    pod('d', { containers: [{ name: 'app', image: 'app' }] }),
  ],
};

t.test('in a List each workload stands for itself, whether it is cut or not', async (t) => {
  const text = `${JSON.stringify(LIST, null, 4)}\n`;
  for (const longDocument of [0, 1_000_000]) {
    const result = skipping(text, longDocument);
    t.same(result.problems, []);
    t.same(result.skipped.map(({ code }) => code).sort(), ['host-network', 'other-mesh']);
    t.same(Object.fromEntries(result.workloads.map(({ resource, action }) => [resource, action])), {
      'Pod a': 'injected',
      'Pod b': 'skipped',
      'Pod c': 'skipped',
      'Pod d': 'injected',
    });
    const { items } = JSON.parse(result.text!) as typeof LIST;
    t.same(items.slice(1, 3), LIST.items.slice(1, 3));
    t.not(JSON.stringify(items[3]), JSON.stringify(LIST.items[3]));
    t.equal(uninjectManifest('m.yaml', result.text!).text, text, 'and back');
  }
});

t.test('a workload that was injected before and is refused now stays injected', async (t) => {
  const before = injected(GOOD);
  const now = before.replace('    spec:\n', '    spec:\n      hostNetwork: true\n');
  const { text, workloads } = skipping(`${now}---\n${before}`);
  t.equal(text, `${now}---\n${before}`);
  matches(t, workloads, [{ action: 'skipped' }, { action: 'injected' }]);
});

t.test('uninject: a record that was written by hand does not hold up the others', async (t) => {
  const broken = `${GOOD.replace('      labels:\n', '      annotations: {sideroute.dev/injected: "x"}\n      labels:\n')}---\n`;
  matches(t, uninjectManifest('m.yaml', broken + injected(GOOD)), { text: null, problems: [{ code: 'bad-record' }] });
  matches(t, uninjectManifest('m.yaml', broken + injected(GOOD), { skipRefused: true }), {
    text: broken + GOOD,
    problems: [],
    skipped: [{ code: 'bad-record' }],
    workloads: [{ action: 'skipped' }, { action: 'uninjected' }],
  });
});
