/**
 * Writes docs/spec-rules.md: each numbered rule of Gateway API, what sideroute does, and the tests that prove it, found
 * by their titles.
 */
import { fileURLToPath } from 'node:url';

import { packageRoot } from '../src/package-root.ts';
import { GeneratedDocument } from './generated-document.ts';
import { SPEC_CHAPTERS } from './spec-rules.ts';
import { cell, proofsCell, provingTests, type ProvingTest } from './test-titles.ts';

const FOLDER = 'test';

const INTRODUCTION = `# Gateway API, rule by rule

What Gateway API v1.7.0 asks of an HTTPRoute or a GRPCRoute whose parent is a Service, and what sideroute does about it. The numbers are this
project's own; titles of tests and the other documents use them. *Source* names the type of the API
(\`apis/v1\`), the enhancement proposal (GEP) or the part of the documentation that the rule comes from. Where the source leaves a
choice, the statement is the choice made here. What is said of an HTTPRoute holds of a GRPCRoute as far as it has the same fields.

What the tests of the official conformance suite come to is in [conformance.md](conformance.md).

This file is written by \`scripts/spec-table.ts\`.
`;

/** Tests by rule. */
export function specTests(): Map<string, ProvingTest[]> {
  return provingTests(fileURLToPath(packageRoot()), FOLDER, 'SPEC');
}

export const specDocument = new GeneratedDocument('docs/spec-rules.md', () => {
  const tests = specTests();
  const chapters = SPEC_CHAPTERS.map(({ heading, rules }) => {
    const rows = rules.map(
      ({ id, source, statement }) =>
        `| ${id} | ${source} | ${cell(statement)} | ${proofsCell(tests.get(id) ?? [], FOLDER)} |\n`,
    );
    return `## ${heading}\n\n| Rule | Source | What sideroute does | Tests |\n|---|---|---|---|\n${rows.join('')}`;
  });
  return [INTRODUCTION, ...chapters].join('\n');
});

specDocument.writeIfMain(import.meta.url);
