/**
 * Collects the problems of one document, each with the line it is about.
 *
 * Created by `parse.ts` for each document, written to by everything that reads the document.
 */
import type { ProblemCode } from './problem-codes.ts';
import type { Problem, SourceLocation } from './types.ts';

/** Converts offsets of a text into line numbers. The text is indexed only as far as needed. */
export class LineIndex {
  readonly #text: string;
  readonly #lineStarts = [0];
  #complete = false;

  constructor(text: string) {
    this.#text = text;
  }

  /** Line of the offset, counted from 1. */
  lineOf(offset: number): number {
    this.#indexTo(offset);
    let low = 0;
    let high = this.#lineStarts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#lineStarts[middle]! <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  }

  #indexTo(offset: number): void {
    let last = this.#lineStarts[this.#lineStarts.length - 1]!;
    while (!this.#complete && last <= offset) {
      const newline = this.#text.indexOf('\n', last);
      if (newline < 0) {
        this.#complete = true;
      } else {
        last = newline + 1;
        this.#lineStarts.push(last);
      }
    }
  }
}

export class Report {
  readonly problems: Problem[] = [];
  /** `HTTPRoute devopssong/my-server-route`, once known. */
  resource: string | null = null;
  readonly #file: string;
  readonly #document: number;
  readonly #lines: LineIndex;

  constructor(file: string, document: number, lines: LineIndex) {
    this.#file = file;
    this.#document = document;
    this.#lines = lines;
  }

  /** The document cannot be used. */
  error(code: ProblemCode, path: string, offset: number, message: string): void {
    this.#add('error', code, path, offset, message);
  }

  /** The document is used; something in it has no effect. */
  warn(code: ProblemCode, path: string, offset: number, message: string): void {
    this.#add('warning', code, path, offset, message);
  }

  /** Nothing is wrong; the note explains an interpretation that the document does not state. */
  note(code: ProblemCode, path: string, offset: number, message: string): void {
    this.#add('note', code, path, offset, message);
  }

  get errors(): readonly Problem[] {
    return this.problems.filter((problem) => problem.severity === 'error');
  }

  /** A new, empty report for the same document: to read a part again without reporting problems twice. */
  detached(): Report {
    return new Report(this.#file, this.#document, this.#lines);
  }

  location(offset: number): SourceLocation {
    return { file: this.#file, document: this.#document, line: this.#lines.lineOf(offset) };
  }

  #add(severity: Problem['severity'], code: ProblemCode, path: string, offset: number, message: string): void {
    const { file, document, line } = this.location(offset);
    this.problems.push({ severity, code, file, document, line, resource: this.resource, path, message });
  }
}
