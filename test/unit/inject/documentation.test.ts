import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { INJECT_SETTINGS, SETTING_KEYS } from '../../../src/inject/annotations.ts';
import { packageRoot } from '../../../src/package-root.ts';
import { manifests } from './fixtures.ts';

const document = readFileSync(new URL('docs/injection.md', packageRoot()), 'utf8');

t.test('docs/injection.md lists every annotation with its default, and no other', async (t) => {
  const rows = new Map(
    [...document.matchAll(/^\| `sideroute\.dev\/([\w-]+)` \| (.*?) \|/gm)].map((row) => [row[1], row[2]!]),
  );
  t.same([...rows.keys()].sort(), ['inject', ...SETTING_KEYS.map((key) => INJECT_SETTINGS[key].name)].sort());
  for (const key of SETTING_KEYS) {
    const { name, fallback } = INJECT_SETTINGS[key];
    if (fallback !== null) t.equal(rows.get(name), `\`${fallback}\``, name);
  }
});

t.test('docs/injection.md lists every reason for a refusal', async (t) => {
  const codes = new Set(manifests('inject-refused').map(({ text }) => /expect: (\S+)/.exec(text)![1]!));
  const sources = new URL('src/inject/', packageRoot());
  for (const name of readdirSync(sources).filter((entry) => entry.endsWith('.ts'))) {
    const text = readFileSync(new URL(name, sources), 'utf8');
    for (const [, code] of text.matchAll(/(?:Refusal|[rR]efuse)\(\s*'([a-z-]+)'/g)) codes.add(code!);
  }
  const listed = document.slice(document.indexOf('## Refusals'), document.indexOf('## Route files'));
  for (const code of codes) t.ok(listed.includes(`\`${code}\``), code);
});
