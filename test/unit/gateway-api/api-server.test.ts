/** sideroute takes and refuses what an API server with the CRDs of Gateway API v1.7.0 takes and refuses. */
import t from 'tap';
import { parseRouteFile } from '../../../src/gateway-api/parse.ts';
import { validateRegex } from '../../../src/regex/regex.ts';
import { HTTP_ROUTE_CASES, type ApiServerCase } from '../../support/api-server-cases.ts';
import { GRPC_ROUTE_CASES } from '../../support/api-server-grpc-cases.ts';

function errors(document: object): string[] {
  return parseRouteFile('route.json', JSON.stringify(document), { validateRegex })
    .problems.filter(({ severity }) => severity === 'error')
    .map(({ code, path, message }) => `${code} ${path} ${message}`);
}

/** The cases of each kind, the tests of them, and how many there are at least. */
const KINDS = [
  {
    ...{ all: HTTP_ROUTE_CASES, taken: 300, refused: 400 },
    takes: 'SPEC A14, D2-D4: what an API server takes is taken',
    refuses: 'SPEC A14, D2-D4: what an API server refuses is refused',
  },
  {
    ...{ all: GRPC_ROUTE_CASES, taken: 150, refused: 200 },
    takes: 'SPEC A14, D2, D4, D5: what an API server takes of a GRPCRoute is taken',
    refuses: 'SPEC A14, D2, D4, D5: what an API server refuses of a GRPCRoute is refused',
  },
];

for (const { all, taken, refused, takes, refuses } of KINDS) {
  const agreed = all.filter(({ stricter }) => !stricter);

  t.test(takes, async (t) => {
    const cases = agreed.filter((each) => each.taken);
    t.ok(cases.length > taken, `${cases.length} cases`);
    t.same(
      cases.map(({ title, document }) => [title, ...errors(document)]).filter(({ length }) => length > 1),
      [],
    );
  });

  t.test(refuses, async (t) => {
    const cases = agreed.filter((each) => !each.taken);
    t.ok(cases.length > refused, `${cases.length} cases`);
    t.same(
      cases.filter(({ document }) => errors(document).length === 0).map(({ title }) => title),
      [],
    );
  });
}

t.test('what an API server takes and sideroute refuses, as docs/configuration.md says', async (t) => {
  const codes = (all: readonly ApiServerCase[]): string[] => {
    const found = all
      .filter(({ stricter }) => stricter)
      .map(({ title, document }) => [title, errors(document)] as const);
    t.same(
      found.filter(([, { length }]) => length !== 1),
      [],
    );
    return [...new Set(found.map(([, [error = 'none']]) => error.split(' ')[0]!))].sort();
  };
  const common = ['bad-header-name', 'bad-header-value', 'bad-hostname', 'bad-name', 'bad-regex', 'duplicate-action'];
  t.same(codes(GRPC_ROUTE_CASES), [...common, 'empty-value'].sort());
  t.same(codes(HTTP_ROUTE_CASES), [...common, 'bad-origin', 'bad-path', 'empty-value'].sort());
});
