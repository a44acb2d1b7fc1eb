/**
 * Writes docs/conformance.md: each official conformance test, its result with a Service as the parent, and the cases in
 * test/e2e/conformance that stand for it.
 */
import type { ConformanceCase } from '../test/e2e/conformance/case.ts';
import { FILTER_CASES } from '../test/e2e/conformance/filter-cases.ts';
import { GRPC_CASES } from '../test/e2e/conformance/grpc-cases.ts';
import { MATCHING_CASES } from '../test/e2e/conformance/matching-cases.ts';
import { RESILIENCE_CASES } from '../test/e2e/conformance/resilience-cases.ts';
import { CONFORMANCE_PROFILES, isMeshTest, type OfficialTest } from './conformance-tests.ts';
import { GeneratedDocument } from './generated-document.ts';
import { cell } from './test-titles.ts';

const INTRODUCTION = `# Conformance

The tests of the official conformance suite of Gateway API v1.7.0 and what they come to. The mesh tests are run as they are, in a Kubernetes
with the controller, against pods that the label of their namespace has injected: \`npm run test:cluster\`, and [the report](conformance/v1.7.0/README.md)
says how. They send requests from a pod and look at status codes, the pod that answers and header fields; no mesh test reads the status of a
route. The tests for Gateways cannot be run against a mesh, whose routes have Services as parents; those that mean something there are reproduced.

Reproduced is: the same shape of route, the same requests, sent by a client pod through iptables REDIRECT to a running sidecar and
on to echo pods. These cases assert more than the suite does for a mesh: the exact Location, the path, Host and every header field that
reach the backend, the fields of the response, and the conditions of the routes as \`sideroute check\` shows them. The mesh tests have such cases, too.

*Official*: the suite's own test passes, unmodified, and the reproduced case besides. *Reproduced*: every request of the case has the outcome that
the suite asks for. *Not supported*: it has not, and the case shows what happens instead. *Not applicable*: the test is about Gateways. The numbers
are those of [spec-rules.md](spec-rules.md). The tests of BackendTLSPolicy, ListenerSet, TLSRoute, TCPRoute, UDPRoute and of Gateways
themselves are left out.

This file is written by \`scripts/conformance-table.ts\`.
`;

export const CONFORMANCE_CASES: readonly ConformanceCase[] = [
  ...MATCHING_CASES,
  ...GRPC_CASES,
  ...FILTER_CASES,
  ...RESILIENCE_CASES,
];

function outcomeCell({ name, outcome }: OfficialTest): string {
  if (outcome.kind === 'passes') return isMeshTest(name) ? 'official' : 'reproduced';
  return `${outcome.kind}: ${outcome.kind === 'not supported' ? outcome.what : outcome.why}`;
}

/** The title without `SPEC`, followed by a link to the routes. */
function caseCell({ title, routes }: ConformanceCase): string {
  const text = cell(title.replace(/^SPEC /, ''));
  return routes === null ? text : `${text} ([routes](../test/fixtures/conformance/${routes}.yaml))`;
}

export const conformanceDocument = new GeneratedDocument('docs/conformance.md', () => {
  const profiles = CONFORMANCE_PROFILES.map(({ heading, tests }) => {
    const rows = tests.map((test) => {
      const { name, feature } = test;
      const cases = CONFORMANCE_CASES.filter((entry) => entry.tests.includes(name));
      return `| ${name} | ${feature} | ${cell(outcomeCell(test))} | ${cases.map(caseCell).join('<br>')} |\n`;
    });
    return `## ${heading}\n\n| Test | Feature | Outcome | What the case shows |\n|---|---|---|---|\n${rows.join('')}`;
  });
  return [INTRODUCTION, ...profiles].join('\n');
});

conformanceDocument.writeIfMain(import.meta.url);
