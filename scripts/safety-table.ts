/**
 * Writes docs/safety-cases.md: each numbered case of bad input or fault, what becomes of it, and the tests that prove it,
 * found by their titles.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { packageRoot } from '../src/package-root.ts';
import { SAFETY_CHAPTERS } from './safety-cases.ts';
import { cell, provingTests, type ProvingTest } from './test-titles.ts';

const FOLDER = 'test/integration/safety';

const INTRODUCTION = `# Bad input and faults

What the native engine does with requests that are malformed, ambiguous or merely unusual, with slow peers, and with backends
that fail. *Refused* means: 400 with \`x-sideroute-reason\`, \`Connection: close\` and an orderly end of the connection, and
nothing reaches a backend; when the head had been forwarded before the fault was seen, the upstream connection is torn down
before the message is complete. *Forwarded* means: to the backend, hop-by-hop fields removed, framing written anew.

Each test drives raw sockets and compares the bytes that the client and the backend received. Those of a request's head and
body run with the bytes in one piece, in two, one by one, and on connections that have carried a request before.

This file is written by \`scripts/safety-table.ts\`.
`;

/** Tests by case number. */
export function safetyTests(): Map<string, ProvingTest[]> {
  return provingTests(fileURLToPath(packageRoot()), FOLDER, 'SAFETY');
}

export function safetyDocument(): string {
  const tests = safetyTests();
  const chapters = SAFETY_CHAPTERS.map(({ heading, cases }) => {
    const rows = cases.map(({ number, input, outcome }) => {
      const proofs = (tests.get(String(number)) ?? []).map(
        ({ sentence, file }) => `${cell(sentence)} ([${file.slice(FOLDER.length + 1)}](../${file}))`,
      );
      return `| ${number} | ${cell(input)} | ${cell(outcome)} | ${proofs.join('<br>')} |\n`;
    });
    return `## ${heading}\n\n| Case | Input | Outcome | Tests |\n|---|---|---|---|\n${rows.join('')}`;
  });
  return [INTRODUCTION, ...chapters].join('\n');
}

export const safetyDocumentFile = new URL('docs/safety-cases.md', packageRoot());

/** As it is now; empty when it is not there. */
export function currentSafetyDocument(): string {
  try {
    return readFileSync(safetyDocumentFile, 'utf8');
  } catch {
    return '';
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(safetyDocumentFile, safetyDocument());
