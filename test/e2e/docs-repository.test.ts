/** Command blocks of the documents about the repository itself do what they say; those that measure are in docs-benchmarks.test.ts. */
import { inRepository, isBenchmark, runBlocks } from '../support/docs/in-repository.ts';
import type { Runner } from '../support/docs/running.ts';

/** Linting everything takes a minute: one file stands for the others. */
const lintInShort = (script: string): string => script.replace(/^npm run lint$/m, 'npm run lint -- scripts/test.mjs');

/** The suite cannot run itself: that line is left out; the next one runs the same script for a few files. */
const development: Runner = (t, block) => {
  const text = block.text.replace(/^npm test +#.*\n/m, '');
  return inRepository(['passed, 0 failed'], lintInShort)(t, { ...block, text });
};

const RUN: Readonly<Record<string, Runner>> = {
  'README.md > See it in 60 seconds': inRepository(['Every answer was right.']),
  'README.md > Development': development,
  'docs/cli.md > On your own machine': inRepository(['/sideroute-0.1.0.tgz\n']),
  'docs/soak.md > The soak': inRepository(['## Result'], (script) =>
    script.replace('--minutes 60 --report docs/soak.md', '--minutes 0.2 --rate 100'),
  ),
};

runBlocks(RUN, (block) => !isBenchmark(block));
