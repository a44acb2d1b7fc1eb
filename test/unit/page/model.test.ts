/** What the page makes of `/config` and `/explain`, as the private endpoint really writes them. */
import t from 'tap';

import { attach } from '../../../src/config/attach.ts';
import { configDump } from '../../../src/admin/config-dump.ts';
import type { Config, Explanation as PageExplanation } from '../../../src/page/answers.ts';
import { filterText } from '../../../src/page/format.ts';
import { ConfigSearch, faultsOf, labelsOf } from '../../../src/page/model.ts';
import type { SeriesLabels } from '../../../src/routing/decision.ts';
import { explain } from '../../../src/routing/explain.ts';
import { compileTable } from '../../../src/routing/table.ts';
import { mirror } from '../../support/filters.ts';
import {
  backend,
  exactField,
  httpRoute,
  match,
  parent,
  pathPrefix,
  requestHead,
  rule,
  service,
  testDeps,
} from '../../support/routes.ts';
import { matches } from '../../support/match.ts';

const resources = [
  service('shop/web', [80]),
  service('shop/cart', [8080]),
  httpRoute(
    'shop/web-route',
    [parent('shop/web', { port: 80 })],
    [
      rule({
        name: 'preview',
        matches: [match({ headers: [exactField('version', 'new')] })],
        filters: [mirror('shop/copy:80', { numerator: 1, denominator: 4 })],
        backendRefs: [backend('shop/v2:80')],
      }),
      rule({ backendRefs: [backend('shop/v1:80', { weight: 9 }), backend('shop/v2:80')] }),
    ],
  ),
  httpRoute(
    'shop/cart-route',
    ['shop/cart'],
    [rule({ matches: [match({ path: pathPrefix('/Basket') })], backendRefs: [backend('shop/cart:81')] })],
  ),
];

async function config(): Promise<{ config: Config; labels: SeriesLabels[] }> {
  const labels: SeriesLabels[] = [];
  const deps = testDeps();
  const internSeries = (one: SeriesLabels): number => labels.push(one) - 1;
  const attachment = attach({ resources, namespace: 'shop' });
  const table = compileTable(attachment, { ...deps, internSeries });
  let text = '';
  for await (const piece of configDump({
    ...{ snapshot: null, attachment, table, valid: true, problems: attachment.problems },
    frontendKeys: [...deps.frontendIds.keys()],
    ...{ conditions: attachment.conditions, addresses: [], unresolved: [], backends: [], tornSet: null },
  })) {
    text += piece;
  }
  return { config: JSON.parse(text) as Config, labels };
}

t.test('every backend and mirror has the labels of the series that counts it', async (t) => {
  const { config: shown, labels } = await config();
  const wanted = shown.frontends.flatMap((frontend) =>
    frontend.rules.flatMap((one) =>
      one.backends.flatMap((target) => [target, ...target.mirrors].map((counted) => labelsOf(frontend, one, counted))),
    ),
  );
  t.equal(wanted.length, 5);
  for (const one of wanted) {
    t.ok(
      labels.some((known) => JSON.stringify(known) === JSON.stringify(one)),
      JSON.stringify(one),
    );
  }
});

t.test('words find frontends, and rules within them', async (t) => {
  const search = new ConfigSearch((await config()).config);
  const found = (query: string) => search.find(query).map(({ frontend, rules }) => [frontend.key, rules.length]);
  const all = [
    ['shop/cart:8080', 1],
    ['shop/web:80', 2],
  ];
  t.same(found(''), all);
  t.same(found(' shop/ '), all, 'a frontend that fits has all its rules');
  t.same(found('preview'), [['shop/web:80', 1]]);
  t.same(found('WEB version new'), [['shop/web:80', 1]], 'some words of the frontend, others of the rule');
  t.same(found('/basket'), [['shop/cart:8080', 1]], 'whatever the case');
  t.same(found('v1'), [['shop/web:80', 1]]);
  t.same(found('copy'), [['shop/web:80', 1]], 'mirrors, too');
  t.same(found('preview basket'), []);
  t.end();
});

t.test('conditions that are faults', async (t) => {
  const faults = faultsOf((await config()).config);
  matches(t, faults, [
    {
      route: 'HTTPRoute shop/cart-route',
      parent: 'shop/cart',
      condition: { type: 'ResolvedRefs', status: 'False', reason: 'BackendNotFound' },
      place: 'routes.yaml',
    },
  ]);
});

t.test('the page knows the shape of filters and explanations', async (t) => {
  const { config: shown } = await config();
  t.same(shown.frontends[1]!.rules[0]!.filters.map(filterText), ['mirror 25% to shop/copy:80']);
  const deps = testDeps();
  const table = compileTable(attach({ resources, namespace: 'shop' }), deps);
  // Checked by the compiler.
  const explanation: PageExplanation = explain(table.frontends[deps.frontendId('shop/web:80')]!, requestHead());
  matches(t, explanation, {
    winner: 1,
    outcome: { kind: 'shares', shares: [{ backend: 'shop/v1:80', percent: 90 }, { percent: 10 }] },
  });
  t.end();
});
