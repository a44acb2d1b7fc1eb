/**
 * Runs the command blocks of the documents that are about the repository itself, as printed, in a copy of it. For slow
 * ones a shorter form of the same command is used; SIDEROUTE_FULL=1 runs the complete one (linting everything,
 * measuring).
 */
import t, { type Test } from 'tap';
import type { Block } from './blocks.ts';
import { repositoryCopy } from './places.ts';
import { blocks, isOfRepository, Places, skip, succeeded, type Runner } from './running.ts';

/** The benchmark documents, which take as long as all others together. */
export const isBenchmark = ({ document }: Block): boolean => document === 'docs/PERFORMANCE.md';

const FULL = process.env['SIDEROUTE_FULL'] === '1';
const places = new Places();

/** `shorter`: the form that is run unless SIDEROUTE_FULL=1. */
export function inRepository(
  prints: readonly string[],
  shorter: (script: string) => string = (script) => script,
): Runner {
  return async (t, { text }) => {
    const copy = await places.get(repositoryCopy);
    const script = FULL ? text : shorter(text);
    succeeded(t, await copy.run(script), prints);
  };
}

/** Makes tests of the repository's blocks that `isHere` selects, with the runner for their title, or as printed. */
export function runBlocks(runners: Readonly<Record<string, Runner>>, isHere: (block: Block) => boolean): void {
  const here = blocks.filter((block) => isOfRepository(block) && isHere(block));

  t.test('the table has no blocks that are not there', async (t) => {
    for (const title of Object.keys(runners))
      t.ok(
        here.some((block) => block.title === title),
        title,
      );
  });

  t.test('every block about the repository does what it says', { skip, timeout: 280_000 }, async (t) => {
    t.teardown(() => places.close());
    for (const block of here)
      await t.test(`${block.title}, line ${block.line}`, (t: Test) =>
        (runners[block.title] ?? inRepository([]))(t, block),
      );
  });
}
