/**
 * Blocks of the documents and their places: the repository's own commands run in a copy of it, all others in a cluster.
 */
import type { Test } from 'tap';
import type { ShellResult } from '../stand-in/cluster.ts';
import { commandsOf, documents, fencedBlocks, type Block } from './blocks.ts';
import type { Place } from './places.ts';

/** Runs a block and asserts what the document promises. */
export type Runner = (t: Test, block: Block) => Promise<void>;

/** Documents that are run as a whole: test/e2e/docs-tasks.test.ts, test/cluster/first-hour.test.ts. */
const WHOLE = /^docs\/(tasks\/|first-hour\.md$)/;

export const blocks = documents()
  .filter((document) => !WHOLE.test(document))
  .flatMap((document) => fencedBlocks(document));
export const skip = process.getuid!() === 0 ? false : 'needs root for network namespaces';

export const isScript = ({ language }: Block): boolean => language === 'sh' || language === 'bash';

export const isOfRepository = (block: Block): boolean =>
  isScript(block) && commandsOf(block.text).every((command) => /^(npm|npx|node|make) /.test(command));

/** Places are made when the first block needs them, and reused. */
export class Places {
  readonly #made = new Map<() => Place | Promise<Place>, Promise<Place>>();

  async get<P extends Place>(make: () => P | Promise<P>): Promise<P> {
    const made = this.#made.get(make) ?? Promise.resolve(make());
    this.#made.set(make, made);
    return (await made) as P;
  }

  async close(): Promise<void> {
    for (const place of this.#made.values()) await (await place).close();
  }
}

/** Asserts exit status 0 and these texts in the output, in this order. */
export function succeeded(t: Test, { status, stdout, stderr }: ShellResult, prints: readonly string[]): void {
  if (!t.equal(status, 0, 'exit status 0')) t.comment(`${stdout}\n${stderr}`);
  let from = 0;
  for (const text of prints) {
    const at = stdout.indexOf(text, from);
    if (!t.ok(at >= 0, `it prints ${JSON.stringify(text)}`)) t.comment(stdout);
    from = Math.max(from, at + text.length);
  }
}
