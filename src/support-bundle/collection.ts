/**
 * The contents of a bundle while it is made: files, after secrets were removed and sizes limited; what is missing and why; and the index of
 * both.
 *
 * Stage before: `from-sidecar.ts` and `from-cluster.ts`. Stage after: `archive.ts`.
 */
import { yamlText } from '../export/yaml-text.ts';
import type { ArchivedFile } from './archive.ts';
import { indexText, type BundleIndex, type IndexedFile } from './index-text.ts';
import { KnownSecrets } from './known-secrets.ts';
import { redactLines } from './redact-lines.ts';
import { redactText } from './redact-text.ts';
import { redactLog, redactValue, type Redaction } from './redact-value.ts';
import type { Tally } from './sensitive.ts';

interface Kept {
  readonly name: string;
  readonly what: string;
  readonly tally: Tally;
  readonly text: string;
  readonly cut: string | null;
}

export interface Limits {
  readonly fileBytes: number;
  readonly totalBytes: number;
}

export const LIMITS: Limits = { fileBytes: 8 * 1024 * 1024, totalBytes: 64 * 1024 * 1024 };
/** Entries of the index for one file. */
const MAX_PLACES = 200;
const MAX_REASON_CHARS = 500;

export class Collection {
  readonly #files = new Map<string, Kept>();
  readonly #missing: { readonly what: string; readonly why: string }[] = [];
  readonly #notes: string[] = [];
  readonly #known = new KnownSecrets();
  readonly #limits: Limits;
  #bytes = 0;

  constructor(limits: Limits = LIMITS) {
    this.#limits = limits;
  }

  /** Data for people and programs: JSON. */
  addJson(name: string, what: string, value: unknown): void {
    this.#add(name, what, (redaction) => `${JSON.stringify(redactValue(value, redaction), null, 1)}\n`);
  }

  /** Documents of YAML, each made safe by who gives it. `cut`: why there are not all. */
  addYaml(
    name: string,
    what: string,
    make: (redaction: Redaction) => readonly unknown[],
    cut: string | null = null,
  ): void {
    this.#add(
      name,
      what,
      (redaction) =>
        make(redaction)
          .map((each) => `---\n${yamlText(each)}`)
          .join(''),
      cut,
    );
  }

  addText(name: string, what: string, text: string, cut: string | null = null): void {
    this.#add(
      name,
      what,
      ({ tally, known }) => redactLines(text, tally, (line) => redactText(line, tally, known)),
      cut,
    );
  }

  /** Lines of which some are JSON. */
  addLog(name: string, what: string, text: string, cut: string | null = null): void {
    this.#add(name, what, (redaction) => redactLog(text, redaction), cut);
  }

  /** `what`: in the words of a person; it should have been there. */
  miss(what: string, why: string): void {
    this.#missing.push({ what, why: this.#reason(why) });
  }

  /** What is not there and is no failure: nobody has installed it, say. */
  note(text: string): void {
    this.#notes.push(this.#reason(text));
  }

  get missing(): readonly { readonly what: string; readonly why: string }[] {
    return this.#missing;
  }

  get count(): number {
    return this.#files.size;
  }

  #reason(text: string): string {
    const line = redactText(text, new Map()).replaceAll(
      /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g,
      ' ',
    );
    return line.length > MAX_REASON_CHARS ? `${line.slice(0, MAX_REASON_CHARS)}…` : line;
  }

  #add(name: string, what: string, make: (redaction: Redaction) => string, cut: string | null = null): void {
    const tally: Tally = new Map();
    const whole = make({ tally, known: this.#known });
    const { fileBytes, totalBytes } = this.#limits;
    const size = Buffer.byteLength(whole);
    const room = Math.min(fileBytes, totalBytes - this.#bytes);
    if (room <= 0) {
      this.miss(name, `the bundle has ${this.#bytes} bytes already, which is what it may have`);
      return;
    }
    const text = size <= room ? whole : cutText(whole, room);
    this.#bytes += Buffer.byteLength(text);
    const why = size <= room ? cut : `the first ${room} of ${size} bytes`;
    this.#files.set(name, { name, what, tally, text, cut: why });
  }

  /** The index first, everything else by name. `head`: of the index. */
  files(head: Pick<BundleIndex, 'madeAt' | 'of' | 'client'>): ArchivedFile[] {
    const scrub = this.#known.scrubber();
    const kept = [...this.#files.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    const files = kept.map(({ name, what, text, tally, cut }) => {
      const scrubbed = scrub(text, tally);
      const leftOut = [...tally].slice(0, MAX_PLACES).map(([place, times]) => ({ place, times }));
      const more = tally.size - leftOut.length;
      const shown: IndexedFile = {
        name,
        what,
        bytes: Buffer.byteLength(scrubbed),
        cut,
        leftOut,
        moreLeftOut: Math.max(0, more),
      };
      return { shown, text: scrubbed };
    });
    const index: BundleIndex = {
      ...{ format: 1, ...head },
      files: files.map(({ shown }) => shown),
      missing: this.#missing,
      notes: this.#notes,
    };
    const clean = (text: string): string => scrub(text, new Map());
    return [
      { name: 'INDEX.txt', text: clean(indexText(index)) },
      { name: 'index.json', text: clean(`${JSON.stringify(index, null, 1)}\n`) },
      ...files.map(({ shown, text }) => ({ name: shown.name, text })),
    ];
  }
}

/** Whole characters. */
function cutText(text: string, bytes: number): string {
  return Buffer.from(text, 'utf8')
    .subarray(0, bytes)
    .toString('utf8')
    .replace(/\ufffd$/, '');
}
