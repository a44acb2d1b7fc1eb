/** Writes docs/threat-model.md: attackers, their attacks, the defences, and the tests that show them. */
import { GeneratedDocument } from './generated-document.ts';
import { cell, proofsCell, sentenceOf } from './test-titles.ts';
import { ATTACKERS } from './threats.ts';

const FOLDER = 'test';

const INTRODUCTION = `# Threat model

Who can attack what of a sidecar, what stands against it, what is left, and the test that shows the defence. [SECURITY.md](../SECURITY.md)
says what counts as a vulnerability and how to report one.

What is to be kept: requests go where the routes of their namespace say, and to nobody else; no response reaches another caller; what must
not be executed twice is not; the traffic of the pod goes on; the process stays what it is.

Trusted are the node, the API server, and cluster DNS. The pod's own containers are not kept from each other.

This file is written by \`scripts/threats-table.ts\`.
`;

export const threatsDocument = new GeneratedDocument('docs/threat-model.md', () => {
  const chapters = ATTACKERS.map(({ who, means, threats }) => {
    const rows = threats.map(({ attack, defence, rest, shownBy }) => {
      const tests = shownBy.map((test) => ({ sentence: sentenceOf(test), file: test.file }));
      return `| ${cell(attack)} | ${cell(defence)} | ${cell(rest)} | ${proofsCell(tests, FOLDER)} |\n`;
    });
    return `## ${who}\n\n${means}\n\n| Attack | Defence | What is left | Tests |\n|---|---|---|---|\n${rows.join('')}`;
  });
  return [INTRODUCTION, ...chapters].join('\n');
});

threatsDocument.writeIfMain(import.meta.url);
