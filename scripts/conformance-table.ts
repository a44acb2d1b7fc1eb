/**
 * Writes docs/conformance.md: each official conformance test, what it comes to with a Service as the parent, and the cases in
 * test/e2e/conformance that stand for it.
 */
import type { ConformanceCase } from '../test/e2e/conformance/case.ts';
import { FILTER_CASES } from '../test/e2e/conformance/filter-cases.ts';
import { MATCHING_CASES } from '../test/e2e/conformance/matching-cases.ts';
import { RESILIENCE_CASES } from '../test/e2e/conformance/resilience-cases.ts';
import { CONFORMANCE_PROFILES, type ConformanceOutcome } from './conformance-tests.ts';
import { GeneratedDocument } from './generated-document.ts';
import { cell } from './test-titles.ts';

const INTRODUCTION = `# Conformance

The tests of the official conformance suite of Gateway API v1.7.0 and what they come to. The suite itself runs against a cluster: its
mesh tests send requests from a pod and look at status codes, the pod that answers and header fields; only its Gateway tests read the
status of routes, which sideroute does not write. Here each of its tests that can apply to a route with a Service as its parent is a
case of our own: the same shape of route, the same requests, sent by a client pod through iptables REDIRECT to a running sidecar and
on to echo pods. The cases assert more than the suite does for a mesh: the exact Location, the path, Host and every header field that
reach the backend, the fields of the response, and the conditions of the routes as \`sideroute check\` shows them.

*Passes*: every request of the case has the outcome that the suite asks for. *Not supported*: it has not, and the case shows what
happens instead. *Not applicable*: the test is about Gateways. The numbers are those of [spec-rules.md](spec-rules.md). The tests of
BackendTLSPolicy, ListenerSet, TLSRoute, TCPRoute, UDPRoute and of Gateways themselves are left out.

This file is written by \`scripts/conformance-table.ts\`.
`;

export const CONFORMANCE_CASES: readonly ConformanceCase[] = [...MATCHING_CASES, ...FILTER_CASES, ...RESILIENCE_CASES];

function outcomeCell(outcome: ConformanceOutcome): string {
  if (outcome.kind === 'passes') return 'passes';
  return `${outcome.kind}: ${outcome.kind === 'not supported' ? outcome.what : outcome.why}`;
}

/** The title without `SPEC`, behind a link to the routes. */
function caseCell({ title, routes }: ConformanceCase): string {
  const text = cell(title.replace(/^SPEC /, ''));
  return routes === null ? text : `${text} ([routes](../test/fixtures/conformance/${routes}.yaml))`;
}

export const conformanceDocument = new GeneratedDocument('docs/conformance.md', () => {
  const profiles = CONFORMANCE_PROFILES.map(({ heading, tests }) => {
    const rows = tests.map(({ name, feature, outcome }) => {
      const cases = CONFORMANCE_CASES.filter((entry) => entry.tests.includes(name));
      return `| ${name} | ${feature} | ${cell(outcomeCell(outcome))} | ${cases.map(caseCell).join('<br>')} |\n`;
    });
    return `## ${heading}\n\n| Test | Feature | Outcome | What the case shows |\n|---|---|---|---|\n${rows.join('')}`;
  });
  return [INTRODUCTION, ...profiles].join('\n');
});

conformanceDocument.writeIfMain(import.meta.url);
