/** A document in docs/ that a script writes completely; a test compares it with what the script would write. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { packageRoot } from '../src/package-root.ts';

export class GeneratedDocument {
  /** What it has to be now. */
  readonly text: () => string;
  readonly #url: URL;

  /** `path`: below the root of the package. */
  constructor(path: string, text: () => string) {
    this.#url = new URL(path, packageRoot());
    this.text = text;
  }

  /** As it is now; empty when it is not there. */
  current(): string {
    try {
      return readFileSync(this.#url, 'utf8');
    } catch {
      return '';
    }
  }

  /** Writes it when the script of `moduleUrl` is the program that runs. */
  writeIfMain(moduleUrl: string): void {
    if (process.argv[1] === fileURLToPath(moduleUrl)) writeFileSync(this.#url, this.text());
  }
}
