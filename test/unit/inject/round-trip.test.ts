import fc from 'fast-check';
import t from 'tap';
import {
  documentsOf,
  inject,
  injected,
  manifest,
  manifests,
  modesOf,
  templatesOf,
  uninjected,
  type PodTemplate,
} from './fixtures.ts';
import { matches } from '../../support/match.ts';

const files = manifests('inject');
const OURS = /^sideroute(?:-init|-routes|-no-token)?$/;

/** The fixture as it is, with the other line ends, and without the last one; block scalars may end a text. */
function variants(text: string): string[] {
  const other = text.includes('\r\n') ? text.replaceAll('\r\n', '\n') : text.replaceAll('\n', '\r\n');
  return [...new Set([text, other, text.replace(/(?:\r?\n)+$/, ''), other.replace(/(?:\r?\n)+$/, '')])];
}

t.test('uninject after inject restores every manifest to the byte, whatever its line ends', async (t) => {
  t.ok(files.length >= 40, `${files.length} manifests`);
  for (const { name, text } of files) {
    for (const mode of modesOf(name)) {
      for (const variant of variants(text))
        t.equal(uninjected(injected(variant, { mode })), variant, `${name} ${mode}`);
    }
  }
});

t.test('a second inject changes nothing', async (t) => {
  for (const { name, text } of files) {
    for (const mode of modesOf(name)) {
      const once = injected(text, { mode });
      t.equal(injected(once, { mode }), once, `${name} ${mode}`);
    }
  }
});

t.test('uninject of what was never injected changes nothing', async (t) => {
  for (const { name, text } of files) t.equal(uninjected(text), text, name);
});

t.test(
  'in block style every line of the manifest is still there, in order, comments and blank lines too',
  async (t) => {
    const blockStyle = ['deployment', 'lists-without-indentation', 'comments-at-column-zero', 'odd-spacing', 'anchors'];
    for (const name of [...blockStyle, 'block-scalars', 'missing-values', 'four-columns', 'settings']) {
      const text = manifest(`${name}.yaml`);
      const after = injected(text).split('\n');
      let at = 0;
      for (const line of text.split('\n')) {
        at = after.indexOf(line, at) + 1;
        if (at === 0) break;
      }
      t.not(at, 0, name);
    }
  },
);

t.test('documents and objects that are no workload stay as they are', async (t) => {
  for (const name of ['other-kinds.yaml', 'nothing.yaml', 'empty.yaml', 'disabled.yaml', 'left-alone-by-label.yaml']) {
    const text = manifest(name);
    t.equal(injected(text), text, name);
  }
  const [before, after] = [manifest('multi-document.yaml'), injected(manifest('multi-document.yaml'))];
  const [, ...services] = before.split('---\n');
  t.ok(after.startsWith(before.slice(0, before.indexOf('apiVersion: apps/v1'))), 'the head of the file');
  t.ok(after.includes(services.find((part) => part.includes('kind: ConfigMap'))!.slice(0, 200)), 'the ConfigMap');
});

/** A pod template without what inject adds, as a reader of the manifest sees it. */
function without({ metadata, spec }: PodTemplate): unknown {
  const kept = <T extends { readonly name: string }>(list: readonly T[] | null | undefined) =>
    (list ?? []).filter(({ name }) => !OURS.test(name));
  const annotations = Object.entries(metadata?.annotations ?? {}).filter(
    ([name]) =>
      !/^(?:prometheus\.io\/|sideroute\.dev\/injected$|kubectl\.kubernetes\.io\/default-container$)/.test(name),
  );
  return {
    metadata: { ...metadata, annotations },
    spec: {
      ...spec,
      initContainers: kept(spec.initContainers),
      containers: kept(spec.containers),
      volumes: kept(spec.volumes),
    },
  };
}

t.test('the pod templates hold the same as before besides what was added, as do all other documents', async (t) => {
  for (const { name, text } of files) {
    for (const mode of modesOf(name)) {
      const after = injected(text, { mode });
      t.same(templatesOf(after).map(without), templatesOf(text).map(without), `${name} ${mode}`);
      t.equal(documentsOf(after).length, documentsOf(text).length, `${name} ${mode}: documents`);
    }
  }
});

t.test('any sequence of manifests: the same properties', async () => {
  const plain = files.filter(
    ({ text }) => !text.startsWith('\ufeff') && !text.startsWith('%') && !text.startsWith('{'),
  );
  const arbitrary = fc.record({
    parts: fc.array(fc.constantFrom(...plain), { minLength: 1, maxLength: 4 }),
    crlf: fc.boolean(),
    final: fc.boolean(),
  });
  fc.assert(
    fc.property(arbitrary, ({ parts, crlf, final }) => {
      let text = parts.map((part) => part.text.replace(/\r\n/g, '\n').replace(/\n?$/, '\n')).join('---\n');
      if (crlf) text = text.replaceAll('\n', '\r\n');
      if (!final) text = text.trimEnd();
      const once = injected(text);
      return uninjected(once) === text && injected(once) === once;
    }),
    { numRuns: 40 },
  );
});

t.test('an injection by another version, or with other settings, is replaced', async (t) => {
  for (const { name, text } of files) {
    const old = injected(text, { logLevel: 'debug', image: 'registry.example/sideroute:0.0.9' }, '0.0.9');
    t.equal(injected(old), injected(text), name);
  }
  const classic = injected(manifest('deployment.yaml'), { mode: 'classic' });
  t.equal(injected(classic, { mode: 'native' }), injected(manifest('deployment.yaml')), 'classic to native');
});

t.test('names that another version used are taken out, too', async (t) => {
  const text = manifest('lists-without-indentation.yaml');
  const old = injected(text, {}, '0.0.1').replaceAll('sideroute-no-token', 'sideroute-scratch');
  t.equal(uninjected(old), text);
  t.equal(injected(old), injected(text));
});

t.test('what others changed since then stays', async (t) => {
  const text = manifest('deployment.yaml');
  const edited = injected(text)
    .replace('registry.example/client:1.0', 'registry.example/client:2.0')
    .replace('      volumes:\n', '      volumes:\n        - name: data # new\n          emptyDir: {}\n')
    .replace('      annotations:\n', '      annotations:\n        example.com/added: later\n');
  const expected = text
    .replace('registry.example/client:1.0', 'registry.example/client:2.0')
    .replace(
      '      # the application\n',
      '      volumes:\n        - name: data # new\n          emptyDir: {}\n      # the application\n',
    )
    .replace('      # the selector', '      annotations:\n        example.com/added: later\n      # the selector');
  t.equal(uninjected(edited), expected);
  t.equal(uninjected(injected(edited)), expected);
});

t.test('an injected manifest in JSON, as the API server gives it back, is uninjected', async (t) => {
  const stored = JSON.stringify(documentsOf(injected(manifest('deployment.yaml')))[0], null, 4);
  const [before] = documentsOf(manifest('deployment.yaml'));
  t.same(JSON.parse(uninjected(stored)), before);
});

t.test('a workload that is told to be left alone later stays as it is, and that is said', async (t) => {
  const text = injected(manifest('deployment.yaml')).replace(
    '      annotations:\n',
    '      annotations:\n        sideroute.dev/inject: "false"\n',
  );
  const { text: after, workloads } = inject(text);
  t.equal(after, text);
  matches(t, workloads, [{ action: 'untouched', detail: /still injected/ }]);
});
