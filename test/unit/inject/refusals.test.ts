import t from 'tap';
import { problemText } from '../../../src/gateway-api/problem-text.ts';
import { inject, manifest, manifests } from './fixtures.ts';
import { matches } from '../../support/match.ts';

/** First line of a refused manifest: `# expect: CODE PATH`. */
const EXPECT = /^# expect: (\S+)(?: (\S+))?$/m;

t.test('each refused manifest gets the reason, with file, document and field, and no text at all', async (t) => {
  const files = manifests('inject-refused');
  t.ok(files.length >= 50, `${files.length} manifests`);
  for (const { name, text } of files) {
    const [, code, path = ''] = EXPECT.exec(text) ?? [];
    const { text: after, problems } = inject(text);
    t.equal(after, null, name);
    matches(t, problems, [{ code, path, file: 'm.yaml', severity: 'error' }], `${name}: ${JSON.stringify(problems)}`);
    t.equal(problems.length, 1, name);
    t.ok(problems[0]!.line! > 0, `${name}: line`);
  }
});

t.test('the message names the object, the field and what is wrong', async (t) => {
  const refused = manifests('inject-refused').find(({ name }) => name === 'second-document.yaml')!;
  t.equal(
    inject(refused.text).problems.map(problemText)[0],
    'm.yaml:16: error: Pod p: spec.hostNetwork: is true: the rules would capture traffic of the node [host-network]',
  );
  const typo = manifests('inject-refused').find(({ name }) => name === 'annotation-unknown.yaml')!;
  t.match(inject(typo.text).problems[0]!.message, /did you mean "sideroute\.dev\/exclude-outbound-ports"\?/);
});

t.test('all reasons are given at once', async (t) => {
  const text = manifest('deployment.yaml')
    .replace('    spec:\n', '    spec:\n      hostNetwork: true\n')
    .replace('name: client   #', 'name: sideroute #')
    .replace(
      '      labels:\n',
      '      annotations: {sideroute.dev/mood: happy, sideroute.dev/mode: medium}\n      labels:\n',
    );
  t.same(
    inject(text)
      .problems.map(({ code }) => code)
      .sort(),
    ['bad-annotation', 'host-network', 'name-taken', 'unknown-annotation'],
  );
});

t.test('a pod that is to be left alone is not looked at further, unless its annotations are wrong', async (t) => {
  t.equal(inject(manifest('disabled.yaml')).text, manifest('disabled.yaml'));
  const text = manifest('disabled.yaml').replace('disabled\n', 'disabled\n        sideroute.dev/mood: happy\n');
  matches(t, inject(text).problems, [{ code: 'unknown-annotation' }]);
});

t.test('after an earlier injection is taken out, problems name no line, because lines have moved', async (t) => {
  const text = inject(manifest('deployment.yaml')).text!.replace('    spec:\n', '    spec:\n      hostNetwork: true\n');
  matches(t, inject(text).problems, [{ code: 'host-network', line: null, document: 1 }]);
});
