/**
 * Random GRPCRoutes decide as HTTPRoutes with the equivalent paths do, and where the precedence is their own, as a slow comparison of
 * all matches that hold.
 */
import t from 'tap';
import { attach } from '../../../src/config/attach.ts';
import type {
  GrpcMethodMatch,
  GrpcRouteMatch,
  HeaderMatch,
  PathMatch,
  Resource,
} from '../../../src/gateway-api/types.ts';
import { decide } from '../../../src/routing/decide.ts';
import type { RequestHead } from '../../../src/routing/decision.ts';
import { explain, findFrontend } from '../../../src/routing/explain.ts';
import { compileTable } from '../../../src/routing/table.ts';
import { seededRandom } from '../../support/random-routes.ts';
import {
  callHead,
  callRegex,
  exactCall,
  exactField,
  exactPath,
  grpcMatch,
  grpcRoute,
  grpcRuleTo,
  httpRoute,
  pathPrefix,
  pathRegex,
  regexField,
  ruleTo,
  service,
  testDeps,
} from '../../support/routes.ts';

const WEB = 'ns/web';
const TABLES = 150;
const CALLS = 40;
const SERVICES = ['a', 'ab', 'a.b', 'shop.Cart', 'shop.v1.Cart', 'A'];
const METHODS = ['Get', 'Ge', 'List', 'get'];
const SERVICE_EXPRESSIONS = ['a.*', 'a|ab', '[a-z.]+[.]Cart', 'shop.*'];
const METHOD_EXPRESSIONS = ['G.*', 'Get|List', '[A-Z].*'];
const HEADERS: readonly HeaderMatch[] = [exactField('x', '1'), exactField('y', '2'), regexField('x', '[0-9]')];

class Dice {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }
}

/** `patterns`: also what no index of paths can find. */
function randomCall(dice: Dice, patterns: boolean): GrpcMethodMatch | null {
  switch (dice.below(patterns ? 8 : 4)) {
    case 0:
      return null;
    case 1:
      return exactCall(dice.pick(SERVICES));
    case 2:
    case 3:
      return exactCall(dice.pick(SERVICES), dice.pick(METHODS));
    case 4:
      return exactCall(null, dice.pick(METHODS));
    case 5:
      return callRegex(dice.pick(SERVICE_EXPRESSIONS));
    case 6:
      return callRegex(null, dice.pick(METHOD_EXPRESSIONS));
    default:
      return callRegex(dice.pick(SERVICE_EXPRESSIONS), dice.pick(METHOD_EXPRESSIONS));
  }
}

function randomMatch(dice: Dice, patterns: boolean): GrpcRouteMatch {
  const headers = HEADERS.filter(() => dice.below(4) === 0);
  // A name stands once in a match.
  return grpcMatch(randomCall(dice, patterns), headers.length === 3 ? headers.slice(0, 2) : headers);
}

/** As `docs/configuration.md` says. */
function pathOf(call: GrpcMethodMatch | null): PathMatch {
  if (call === null) return pathPrefix('/');
  const { type, service: name, method } = call;
  if (type === 'Exact' && name !== null)
    return method === null ? pathPrefix(`/${name}/`) : exactPath(`/${name}/${method}`);
  return pathRegex(`/${name === null ? '[^/]+' : `(${name})`}/${method === null ? '.*' : `(${method})`}`);
}

interface Table {
  decide(head: RequestHead): string;
  /** The rule that is explained as the winner. */
  explain(head: RequestHead): string;
}

function tableOf(resources: readonly Resource[]): Table {
  const deps = testDeps();
  const table = compileTable(attach({ resources: [service(WEB, [80]), ...resources], namespace: 'ns' }), deps);
  return {
    decide: (head) => {
      const decision = decide(table, deps.frontendId(`${WEB}:80`), head);
      return decision.kind === 'forward' ? decision.backend.name : decision.kind;
    },
    explain: (head) => {
      const { candidates, winner } = explain(findFrontend(table, 'ns', 'web', 80), head);
      return winner === null ? 'local' : candidates[winner]!.ruleName!;
    },
  };
}

/** Each route has rules of one to three matches. */
interface RandomRoute {
  readonly name: string;
  readonly creationTimestamp: number | null;
  readonly rules: readonly (readonly GrpcRouteMatch[])[];
}

function randomRoutes(dice: Dice, patterns: boolean): RandomRoute[] {
  return Array.from({ length: 1 + dice.below(3) }, (_, index) => ({
    name: `${dice.pick(['b', 'a', 'z'])}${index}`,
    creationTimestamp: dice.pick([null, 1, 2]),
    rules: Array.from({ length: 1 + dice.below(4) }, () =>
      Array.from({ length: 1 + dice.below(3) }, () => randomMatch(dice, patterns)),
    ),
  }));
}

const ruleName = (route: RandomRoute, index: number): string => `${route.name}-${index}`;

function grpcTable(routes: readonly RandomRoute[]): Table {
  return tableOf(
    routes.map((route) => {
      const rules = route.rules.map((matches, index) => grpcRuleTo(ruleName(route, index), ...matches));
      return grpcRoute(`ns/${route.name}`, [WEB], rules, { creationTimestamp: route.creationTimestamp });
    }),
  );
}

function httpTable(routes: readonly RandomRoute[]): Table {
  return tableOf(
    routes.map((route) => {
      const rules = route.rules.map((matches, index) => {
        const equivalent = matches.map(({ method, headers }) => ({ path: pathOf(method), headers }));
        return ruleTo(ruleName(route, index), ...equivalent);
      });
      return httpRoute(`ns/${route.name}`, [WEB], rules, { creationTimestamp: route.creationTimestamp });
    }),
  );
}

function randomHead(dice: Dice): RequestHead {
  const path = [dice.pick([...SERVICES, 'x', '']), dice.pick([...METHODS, 'x', ''])];
  const headers = [['x', '1'] as const, ['y', '2'] as const, ['x', '3'] as const].filter(() => dice.below(2) === 0);
  return callHead(dice.below(20) === 0 ? dice.pick(['', 'a', 'a/Get/x', '/a/Get']) : path.join('/'), headers);
}

t.test('SPEC G2, G3: without patterns a GRPCRoute decides as the HTTPRoute of the equivalent paths', async (t) => {
  let forwarded = 0;
  let different = 0;
  for (let seed = 1; seed <= TABLES; seed++) {
    const dice = new Dice(seed);
    const routes = randomRoutes(dice, false);
    const grpc = grpcTable(routes);
    const http = httpTable(routes);
    for (let call = 0; call < CALLS; call++) {
      const head = randomHead(dice);
      const expected = http.decide(head);
      const actual = [grpc.decide(head), grpc.explain(head)];
      if (expected !== 'local') forwarded++;
      if (actual.every((name) => name === expected)) continue;
      different++;
      if (different < 5) t.same({ actual, path: head.path }, { expected, routes });
    }
  }
  t.equal(different, 0);
  t.ok(forwarded > (TABLES * CALLS) / 4, `forwarded ${forwarded}`);
});

t.test('SPEC G2, M5: a match, whatever its type, holds for the calls for which the equivalent path does', async (t) => {
  const dice = new Dice(7);
  let held = 0;
  for (let round = 0; round < 1000; round++) {
    const route: RandomRoute = { name: 'r', creationTimestamp: null, rules: [[randomMatch(dice, true)]] };
    const head = randomHead(dice);
    const expected = httpTable([route]).decide(head);
    if (expected !== 'local') held++;
    const actual = grpcTable([route]).decide(head);
    if (actual !== expected) t.same({ actual, path: head.path }, { expected, route });
  }
  t.ok(held > 150, `held ${held}`);
});

/** Of one that holds: less is tried first. */
interface Candidate {
  readonly rule: string;
  readonly order: readonly (number | string)[];
}

const rankOf = (call: GrpcMethodMatch | null, name: string | null): number =>
  name === null ? 2 : call!.type === 'Exact' ? 0 : 1;

t.test('SPEC G3: with patterns the winner is the first by the precedence of all matches that hold', async (t) => {
  const seen = new Set<string>();
  let different = 0;
  for (let seed = 1; seed <= TABLES; seed++) {
    const dice = new Dice(seed * 31);
    const routes = randomRoutes(dice, true);
    const table = grpcTable(routes);
    const alone = new Map<GrpcRouteMatch, Table>();
    for (const each of routes.flatMap(({ rules }) => rules.flat())) {
      alone.set(each, httpTable([{ name: 'r', creationTimestamp: null, rules: [[each]] }]));
    }
    for (let call = 0; call < CALLS; call++) {
      const head = randomHead(dice);
      const candidates = routes.flatMap((route) =>
        route.rules.flatMap((matches, rule) =>
          matches.flatMap((each, index): Candidate[] => {
            if (alone.get(each)!.decide(head) === 'local') return [];
            const { method, headers } = each;
            const { service: name, method: member } = method ?? { service: null, method: null };
            const order = [
              ...[rankOf(method, name), -(name?.length ?? 0), rankOf(method, member), -(member?.length ?? 0)],
              ...[-headers.length, route.creationTimestamp ?? Infinity, route.name, rule, index],
            ];
            return [{ rule: ruleName(route, rule), order }];
          }),
        ),
      );
      candidates.sort((a, b) => {
        const at = a.order.findIndex((value, index) => value !== b.order[index]);
        return at < 0 ? 0 : a.order[at]! < b.order[at]! ? -1 : 1;
      });
      const expected = candidates[0]?.rule ?? 'local';
      const actual = [table.decide(head), table.explain(head)];
      if (candidates.length > 1)
        seen.add(String(candidates[0]!.order.findIndex((value, at) => value !== candidates[1]!.order[at])));
      if (actual.every((name) => name === expected)) continue;
      different++;
      if (different < 5) t.same({ actual, path: head.path }, { expected, routes });
    }
  }
  t.equal(different, 0);
  t.same([...seen].sort(), ['0', '1', '2', '3', '4', '5', '6', '7', '8'], 'every criterion has decided');
});
