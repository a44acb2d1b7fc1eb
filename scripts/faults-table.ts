/** Writes docs/faults.md: each fault, what it may cost, the tests that show it, and the measured figures. */
import { fileURLToPath } from 'node:url';

import { packageRoot } from '../src/package-root.ts';
import { FAULT_CASES, type FaultCase } from './fault-cases.ts';
import { GeneratedDocument } from './generated-document.ts';
import { cell, proofsCell, provingTests, sentenceOf, type ProvingTest } from './test-titles.ts';

const FOLDER = 'test';

const INTRODUCTION = `# Faults

What backends, the network, the machine and the configuration may do to a sidecar, and what requests have to become of it.

Tests of the files \`test/e2e/faults-*.test.ts\` keep a ledger: every request has an id, and what the client, the backends, the access
log and the metrics tell of it is compared; [soak.md](soak.md#what-lost-means) says what counts as lost. The suite runs them with smaller
numbers; with \`SIDEROUTE_FULL=1\` in the environment they run with those of the last column, as in
\`SIDEROUTE_FULL=1 npm test -- dist/test/e2e/faults-kernel.test.js\`.

Single malformed messages and the answers to them are in [safety-cases.md](safety-cases.md).

This file is written by \`scripts/faults-table.ts\`.
`;

/** Tests by number. */
export function numberedFaultTests(): Map<string, ProvingTest[]> {
  return provingTests(fileURLToPath(packageRoot()), FOLDER, 'FAULT');
}

function row(
  { fault, outcome, figure, shownBy = [] }: FaultCase,
  number: number,
  tests: readonly ProvingTest[],
): string {
  const others = shownBy.map((test) => ({ sentence: sentenceOf(test), file: test.file }));
  const proofs = proofsCell([...tests, ...others], FOLDER);
  return `| ${number} | ${cell(fault)} | ${cell(outcome)} | ${proofs} | ${cell(figure)} |\n`;
}

export const faultsDocument = new GeneratedDocument('docs/faults.md', () => {
  const tests = numberedFaultTests();
  const rows = FAULT_CASES.map((entry, i) => row(entry, i + 1, tests.get(String(i + 1)) ?? []));
  return `${INTRODUCTION}\n| Fault | What happens | Outcome | Tests | Counted |\n|---|---|---|---|---|\n${rows.join('')}`;
});

faultsDocument.writeIfMain(import.meta.url);
