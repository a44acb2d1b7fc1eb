/** `sideroute convert` as a process. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { FIXTURES, sideroute } from '../support/cli.ts';
import { temporaryDirectory } from '../support/sidecar.ts';

const library = join(FIXTURES, 'convert', 'library.yaml');

interface Converted {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
}

const documentsOf = (text: string): Converted[] => parseAllDocuments(text).map((each) => each.toJS() as Converted);
const named = ({ kind, metadata }: Converted): string => `${kind} ${metadata.namespace}/${metadata.name}`;

t.test(
  'routes go to standard output, the report to standard error, in YAML or JSON, from a file or a pipe',
  async (t) => {
    const fromFile = sideroute(['convert', '-f', library]);
    t.equal(fromFile.status, 0, fromFile.stderr);
    const documents = documentsOf(fromFile.stdout);
    t.same(documents.map(named), ['Service shop/reviews-v1', 'Service shop/reviews-v2', 'HTTPRoute shop/reviews']);
    t.match(fromFile.stderr, /^1 read; 1 HTTPRoutes, 2 Services; 0 errors, 0 differences, 1 notes$/m);
    t.match(
      fromFile.stderr,
      /library\.yaml:\d+: note: VirtualService shop\/reviews: spec\.http: .* \[retry-by-default\]$/m,
    );
    const text = readFileSync(library, 'utf8');
    for (const args of [['convert'], ['convert', '-f', '-']]) t.equal(sideroute(args, text).stdout, fromFile.stdout);
    const { stdout } = sideroute(['convert', '-f', library, '-o', 'json']);
    t.same((JSON.parse(stdout) as { items: unknown }).items, documents);
    t.notMatch(sideroute(['convert', '--quiet', '-f', library]).stderr, 'note:', 'notes can be left out');
  },
);

t.test('what comes out is what a sidecar takes', async (t) => {
  const { stdout } = sideroute(['convert', '-f', library]);
  const checked = sideroute(['check', '--strict', '-'], `${readFileSync(library, 'utf8')}\n${stdout}`);
  t.match(checked, { status: 0, stdout: /ResolvedRefs=True/ });
});

t.test('a directory is read file by file; Lists and documents without a namespace are, too', async (t) => {
  const { path, remove } = temporaryDirectory();
  t.teardown(remove);
  mkdirSync(join(path, 'below'));
  writeFileSync(join(path, 'notes.txt'), 'no manifest');
  const [service, rule, route] = parseAllDocuments(readFileSync(library, 'utf8')).map(
    (each) => each.toJS() as Converted,
  );
  writeFileSync(join(path, 'b.json'), JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [service, rule] }));
  const { namespace: _, ...metadata } = route!.metadata;
  writeFileSync(join(path, 'a.yml'), JSON.stringify({ ...route, metadata }));
  const { status, stdout, stderr } = sideroute(['convert', '-f', path, '--namespace', 'shop']);
  t.equal(status, 0, stderr);
  t.equal(documentsOf(stdout).map(named).at(-1), 'HTTPRoute shop/reviews');
});

t.test('exit status 1 for what differs, with the place and a code', async (t) => {
  const text = readFileSync(library, 'utf8').replace(
    '    - match:',
    '    - fault: { abort: { httpStatus: 500 } }\n      match:',
  );
  const { status, stdout, stderr } = sideroute(['convert', '--quiet'], text);
  t.equal(status, 1);
  t.match(stderr, /^stdin:\d+: warning: VirtualService shop\/reviews: spec\.http\[0\]\.fault: .* \[fault\]$/m);
  t.equal(documentsOf(stdout).length, 3, 'the rest is there');
});

t.test('bad input names file and field, and yields nothing of that document', async (t) => {
  const text = readFileSync(library, 'utf8').replace('headers:', 'haeders:');
  const { status, stdout, stderr } = sideroute(['convert', '--quiet'], text);
  t.match({ status, stdout }, { status: 1, stdout: '' });
  t.match(stderr, /^stdin:\d+: error: .*spec\.http\[0\]\.match\[0\]\.haeders: .* "headers"\? \[unknown-field\]$/m);
  t.match(sideroute(['convert'], 'kind: [').stderr, /^stdin:1: error: .* \[syntax-error\]$/m);
  t.match(sideroute(['convert', '-f', '/nowhere/x.yaml']), { status: 1, stderr: /\/nowhere\/x\.yaml: cannot be read/ });
  t.match(sideroute(['convert', '-f', '-', '-f', '-'], text), { status: 2, stderr: /stands twice/ });
  t.match(sideroute(['convert'], 'kind: Pod\nmetadata: { name: x }\n'), { status: 1, stderr: /no VirtualService or/ });
});

t.test('a text that is too large is refused, not read', async (t) => {
  const large = `# ${'x'.repeat(4 * 1024 * 1024)}\n`;
  t.match(sideroute(['convert'], large), { status: 1, stderr: /must have at most 4194304 bytes/ });
});
