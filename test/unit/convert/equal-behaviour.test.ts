/** Converted VirtualServices do with each request what Istio does, or the report says that they do not, and of which rule. */
import fc from 'fast-check';
import t from 'tap';
import type { Problem } from '../../../src/gateway-api/types.ts';
import { converted, served, service, virtualService } from '../../support/converted.ts';
import {
  anyRules,
  negatedRules,
  sayableRules,
  referenceOutcome,
  requests,
  type HttpDocument,
  type Request,
} from '../../support/virtual-service-reference.ts';

function differences(rules: readonly HttpDocument[], asked: readonly Request[]) {
  const conversion = converted([service('web'), virtualService(rules)]);
  const serve = served(conversion, 'default/web:80');
  const told = conversion.problems.filter(({ severity }) => severity !== 'note');
  const found = asked.flatMap((request) => {
    const expected = referenceOutcome(rules, request);
    const { to, path } = serve(request);
    const wanted = expected === null ? 'no_route' : `default/v${expected.rule}:80`;
    if (to === wanted && (expected === null || path === expected.path)) return [];
    const actual = /v(\d+):80$/.exec(to)?.[1];
    const involved = [expected?.rule, actual].filter((rule) => rule !== undefined).map((rule) => `spec.http[${rule}]`);
    const isTold = told.some((problem) => involved.some((rule) => `${problem.path} ${problem.message}`.includes(rule)));
    return [{ request, wanted, expected: expected?.path, to, path, isTold }];
  });
  return { conversion, told, found };
}

const SEED = 20261129;

const isTooLarge = (told: readonly Problem[]): boolean => told.some(({ code }) => code === 'too-large');

t.test('every difference is told, with one of the rules it is about', async (t) => {
  const seen = { routed: 0, differences: 0 };
  const property = fc.property(anyRules, requests, (rules, asked) => {
    const { conversion, told, found } = differences(rules, asked);
    // Then nothing is converted at all.
    if (isTooLarge(told)) return;
    const [untold] = found.filter(({ isTold }) => !isTold);
    if (untold !== undefined) throw new Error(JSON.stringify({ rules, untold, told, out: conversion.documents }));
    if (conversion.problems.some(({ code }) => code === 'invalid-output'))
      throw new Error('sideroute check refuses it');
    seen.routed += asked.filter((request) => referenceOutcome(rules, request) !== null).length;
    seen.differences += found.length;
  });
  t.equal(failureOf(fc.check(property, { numRuns: 200, seed: SEED, endOnFailure: true })), null);
  t.ok(seen.routed > 1000, `${seen.routed} requests routed`);
  t.ok(seen.differences > 100, `${seen.differences} differences, each told`);
});

for (const [what, rules, numRuns, least] of [
  ['matches in any order', sayableRules, 200, 195],
  ['negations before a last rule', negatedRules, 120, 50],
] as const) {
  t.test(`${what} are said without a difference, and without a word`, async (t) => {
    const seen = { silent: 0, routed: 0 };
    const property = fc.property(rules, requests, (each, asked) => {
      const { conversion, told, found } = differences(each, asked);
      if (told.length > 0) return;
      seen.silent++;
      seen.routed += asked.filter((request) => referenceOutcome(each, request) !== null).length;
      if (found.length > 0)
        throw new Error(JSON.stringify({ rules: each, found: found[0], out: conversion.documents }));
    });
    t.equal(failureOf(fc.check(property, { numRuns, seed: SEED, endOnFailure: true })), null);
    t.ok(seen.silent >= least, `${seen.silent} of ${numRuns} without anything to tell`);
    t.ok(seen.routed > 1000, `${seen.routed} requests routed`);
  });
}

function failureOf<T>({ failed, errorInstance, counterexample }: fc.RunDetails<T>): string | null {
  if (!failed) return null;
  return errorInstance instanceof Error ? errorInstance.message : JSON.stringify(counterexample);
}
