/**
 * Writes docs/safety-cases.md: each numbered case of bad input or fault, its result, and the tests that prove it, found
 * by their titles.
 */
import { fileURLToPath } from 'node:url';

import { packageRoot } from '../src/package-root.ts';
import { GeneratedDocument } from './generated-document.ts';
import { SAFETY_CHAPTERS } from './safety-cases.ts';
import { cell, proofsCell, provingTests, type ProvingTest } from './test-titles.ts';

const FOLDER = 'test/integration/safety';

const INTRODUCTION = `# Bad input and faults

What the native engine does with requests that are malformed, ambiguous or merely unusual, with slow peers, and with backends
that fail. *Refused* means: 400 with \`x-sideroute-reason\`, \`Connection: close\` and an orderly end of the connection, and
nothing reaches a backend; when the head had been forwarded before the fault was seen, the upstream connection is torn down
before the message is complete. *Forwarded* means: to the backend, hop-by-hop fields removed, and with framing in one form only
(case 100): chunks are cut anew and lose their extensions, all other bytes of the message are those that came.

Each test drives raw sockets and compares the bytes that the client and the backend received. Those of a request's head and
body run with the bytes in one piece, in two, one by one, and on connections that have carried a request before. Two tests change
20,000 requests and 4,000 responses at random, and have what goes on read back by Node, Python and HAProxy: all have to read the same.

Over HTTP/2 *ENHANCE_YOUR_CALM* means: GOAWAY with that code and the end of the connection, and of no other; the reason is
[\`http2_flood\`](runbook.md#http2_flood), and a request on another connection waits for its response all the while and gets it.

This file is written by \`scripts/safety-table.ts\`.
`;

/** Tests by case number. */
export function safetyTests(): Map<string, ProvingTest[]> {
  return provingTests(fileURLToPath(packageRoot()), FOLDER, 'SAFETY');
}

export const safetyDocument = new GeneratedDocument('docs/safety-cases.md', () => {
  const tests = safetyTests();
  const chapters = SAFETY_CHAPTERS.map(({ heading, cases }) => {
    const rows = cases.map(({ number, input, outcome }) => {
      const proofs = proofsCell(tests.get(String(number)) ?? [], FOLDER);
      return `| ${number} | ${cell(input)} | ${cell(outcome)} | ${proofs} |\n`;
    });
    return `## ${heading}\n\n| Case | Input | Outcome | Tests |\n|---|---|---|---|\n${rows.join('')}`;
  });
  return [INTRODUCTION, ...chapters].join('\n');
});

safetyDocument.writeIfMain(import.meta.url);
