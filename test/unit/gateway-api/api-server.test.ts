/** sideroute takes and refuses what an API server with the CRDs of Gateway API v1.7.0 takes and refuses. */
import t from 'tap';
import { parseRouteFile } from '../../../src/gateway-api/parse.ts';
import { validateRegex } from '../../../src/regex/regex.ts';
import { API_SERVER_CASES } from '../../support/api-server-cases.ts';

function errors(document: object): string[] {
  return parseRouteFile('route.json', JSON.stringify(document), { validateRegex })
    .problems.filter(({ severity }) => severity === 'error')
    .map(({ code, path, message }) => `${code} ${path} ${message}`);
}

const agreed = API_SERVER_CASES.filter(({ stricter }) => !stricter);

t.test('SPEC A14, D2-D4: what an API server takes is taken', async (t) => {
  const cases = agreed.filter(({ taken }) => taken);
  t.ok(cases.length > 300, `${cases.length} cases`);
  t.same(
    cases.map(({ title, document }) => [title, ...errors(document)]).filter(({ length }) => length > 1),
    [],
  );
});

t.test('SPEC A14, D2-D4: what an API server refuses is refused', async (t) => {
  const cases = agreed.filter(({ taken }) => !taken);
  t.ok(cases.length > 400, `${cases.length} cases`);
  t.same(
    cases.filter(({ document }) => errors(document).length === 0).map(({ title }) => title),
    [],
  );
});

t.test('what an API server takes and sideroute refuses, as docs/configuration.md says', async (t) => {
  const cases = API_SERVER_CASES.filter(({ stricter }) => stricter);
  const codes = new Set<string>();
  for (const { title, document } of cases) {
    const found = errors(document);
    t.equal(found.length, 1, title);
    codes.add(found[0]?.split(' ')[0] ?? 'none');
  }
  t.same([...codes].sort(), [
    'bad-header-name',
    'bad-header-value',
    'bad-hostname',
    'bad-name',
    'bad-origin',
    'bad-path',
    'bad-regex',
    'duplicate-action',
    'empty-value',
  ]);
});
