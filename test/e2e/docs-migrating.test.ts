/** docs/migrating.md: each of its inputs becomes what stands behind it, with that report; and it has every code there is. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { CONVERT_CODES } from '../../src/convert/findings.ts';
import { runCommand } from '../support/cluster.ts';
import { fencedBlocks, type Block } from '../support/docs/blocks.ts';
import { ROOT } from '../support/manifests.ts';
import { SIDEROUTE, temporaryDirectory } from '../support/sidecar.ts';

const DOCUMENT = 'docs/migrating.md';

interface Example {
  readonly name: string;
  readonly input: Block;
  readonly output: string;
  /** Null: not shown. */
  readonly report: string | null;
}

/** An input begins with its name in a comment; its output follows, and its report where it is shown. */
function examples(): Example[] {
  const blocks = fencedBlocks(DOCUMENT);
  return blocks.flatMap((input, index) => {
    const name = /^# (\w+\.yaml)\n/.exec(input.text)?.[1];
    if (name === undefined) return [];
    const [output, report] = [blocks[index + 1], blocks[index + 2]];
    return [{ name, input, output: output?.text ?? '', report: report?.language === 'text' ? report.text : null }];
  });
}

t.test('each example comes out as it is printed', async (t) => {
  const { path, remove } = temporaryDirectory();
  t.teardown(remove);
  const all = examples();
  t.equal(all.length, 4);
  for (const { name, input, output, report } of all) {
    writeFileSync(join(path, name), input.text);
    const result = runCommand('sh', ['-c', 'cd "$0" && exec "$@"', path, ...SIDEROUTE, 'convert', '-f', name]);
    t.equal(result.stdout, `---\n${output}`, `${name}, line ${input.line}: what comes out`);
    if (report !== null) t.equal(result.stderr, report, `${name}: the report`);
  }
});

t.test('every code is explained, in the words of the program, and none that it does not have', async (t) => {
  const [, codes = ''] = readFileSync(join(ROOT, DOCUMENT), 'utf8').split('## Codes of the report\n');
  const rows = [...codes.matchAll(/^\| `([-\w]+)` \| (.*) \|$/gm)];
  t.same(Object.fromEntries(rows.map(([, code, meaning]) => [code!, meaning!])), CONVERT_CODES);
});
