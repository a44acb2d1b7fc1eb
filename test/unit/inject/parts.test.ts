/** Manifests are changed part by part: with the same result as whole, in the memory of a part. */
import fc from 'fast-check';
import t from 'tap';
import { defaultSettings } from '../../../src/inject/annotations.ts';
import { injectManifest } from '../../../src/inject/inject.ts';
import { documentParts, entryParts } from '../../../src/inject/parts.ts';
import { uninjectManifest } from '../../../src/inject/uninject.ts';
import { documentsOf, manifest, manifests, VERSION } from './fixtures.ts';
import { matches } from '../../support/match.ts';

const settings = defaultSettings(VERSION);
const NEVER = Number.POSITIVE_INFINITY;
const all = [...manifests('inject'), ...manifests('inject-refused')];

/** With Lists of this length cut. */
function injectAt(longDocument: number, text: string, skipRefused = false) {
  return injectManifest('m.yaml', text, { version: VERSION, settings, longDocument, skipRefused });
}

/** kubectl's output for some objects. */
function list(objects: readonly unknown[], style: 'yaml' | 'json'): string {
  const whole = { apiVersion: 'v1', items: objects, kind: 'List', metadata: { resourceVersion: '' } };
  if (style === 'json') return `${JSON.stringify(whole, null, 4)}\n`;
  const entries = objects.map((object) => `- ${JSON.stringify(object, null, 2).replaceAll('\n', '\n  ')}\n`);
  return `apiVersion: v1\nitems:\n${entries.join('')}kind: List\nmetadata:\n  resourceVersion: ""\n`;
}

t.test('a List is changed entry by entry with the same result as whole', async (t) => {
  for (const { name, text } of all) {
    const whole = injectAt(NEVER, text);
    t.same(injectAt(0, text), whole, name);
    if (whole.text !== null)
      t.same(
        uninjectManifest('m.yaml', whole.text, { longDocument: 0 }),
        uninjectManifest('m.yaml', whole.text, { longDocument: NEVER }),
        name,
      );
  }
  const workloads = ['deployment', 'pod', 'cron-job'].map((name) => documentsOf(manifest(`${name}.yaml`))[0]);
  for (const style of ['yaml', 'json'] as const) {
    const text = list([...workloads, { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'x' } }], style);
    t.equal(entryParts(documentParts(text)[0]!)?.length, 4, `${style}: it is cut`);
    const whole = injectAt(NEVER, text);
    t.equal(whole.workloads.length, 3);
    t.same(injectAt(0, text), whole, style);
    t.equal(uninjectManifest('m.yaml', whole.text!, { longDocument: 0 }).text, text, `${style}: and back`);
  }
});

t.test('the place of a refusal is that in the whole text', async (t) => {
  const pod = (name: string, spec: object) => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec });
  const good = pod('good', { containers: [{ name: 'app', image: 'app' }] });
  const bad = pod('bad', { hostNetwork: true, containers: [{ name: 'app', image: 'app' }] });
  for (const style of ['yaml', 'json'] as const) {
    const text = `# first\n---\n${list([good, good, bad, good], style)}---\n${JSON.stringify(bad)}\n`;
    const { problems } = injectAt(0, text);
    const lines = text.split('\n');
    matches(t, problems, [
      { document: 1, path: 'items[2].spec.hostNetwork', resource: 'Pod bad' },
      { document: 2, path: 'spec.hostNetwork', line: lines.findLastIndex((line) => line.includes('hostNetwork')) + 1 },
    ]);
    t.match(lines[problems[0]!.line! - 1], /"hostNetwork": true/);
  }
});

t.test('anchors that entries share, and text that only looks like an entry, are read as they are', async (t) => {
  const entries = [
    'items:\n- &pod\n  apiVersion: v1\n  kind: Pod\n  metadata: { name: a }\n  spec:\n    containers:\n    - name: app\n- *pod\n',
    'items:\n- apiVersion: v1\n  kind: ConfigMap\n  data: { x: "one\n- two" }\n',
    'items:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: { name: a }\n# comment\n\n- apiVersion: v1\n  kind: Secret\n',
  ];
  for (const text of entries.map((entry) => `apiVersion: v1\nkind: List\n${entry}`)) {
    t.same(injectAt(0, text), injectAt(NEVER, text), text);
  }
});

t.test('the parts of any text are the text', async () => {
  const line = fc.constantFrom(
    ...['---', '--- # x', '...', '%YAML 1.1', '# comment', '', 'a: 1', '- b', 'items:', '  - c', '\ufeff', '---x', ' '],
  );
  const text = fc
    .tuple(fc.array(line, { maxLength: 12 }), fc.constantFrom('\n', '\r\n'))
    .map(([lines, end]) => lines.join(end));
  fc.assert(
    fc.property(
      text,
      (text) =>
        documentParts(text)
          .map((part) => part.text)
          .join('') === text,
    ),
    { numRuns: 2_000 },
  );
});

t.test('a text of many documents takes the memory of one', async (t) => {
  const text = `${manifest('deployment.yaml')}---\n`.repeat(600);
  let largest = 0;
  const parts = documentParts(text);
  for (const part of parts) largest = Math.max(largest, part.text.length);
  t.equal(parts.length, 601);
  t.ok(largest < 5_000);
});
