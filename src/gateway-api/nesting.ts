/**
 * Finds how deep a YAML text nests, from its lexemes, before any recursive code reads it.
 *
 * Used by `yaml-tree.ts`. An estimate that is correct within a factor of two: flow brackets are counted exactly, block
 * structure is derived from the indentation and indicators of each line.
 */

/** Control lexemes of the lexer, which have no length in the text. */
const DOCUMENT_MODE = '\u0002';
const FLOW_ERROR_END = '\u0018';
const SCALAR = '\u001f';

export class NestingMeter {
  /** Offset in the text after the last lexeme. */
  offset = 0;
  #lineStart = 0;
  #lineIsFresh = true;
  #scalarFollows = false;
  #flowDepth = 0;
  /** Start columns of the block collections that are still open. */
  readonly #columns: number[] = [];

  get depth(): number {
    return this.#flowDepth + this.#columns.length;
  }

  observe(lexeme: string): void {
    if (this.#scalarFollows) {
      this.#scalarFollows = false;
      this.#advance(lexeme);
      return;
    }
    switch (lexeme) {
      case SCALAR:
        this.#scalarFollows = true;
        this.#structure(false);
        return;
      case DOCUMENT_MODE:
      case FLOW_ERROR_END:
        this.#flowDepth = 0;
        return;
      case '[':
      case '{':
        this.#structure(false);
        this.#flowDepth++;
        break;
      case ']':
      case '}':
        if (this.#flowDepth > 0) this.#flowDepth--;
        break;
      case '-':
      case '?':
      case ':':
        this.#structure(true);
        break;
      case '---':
      case '...':
        this.#flowDepth = 0;
        this.#columns.length = 0;
        break;
      default:
    }
    this.#advance(lexeme);
  }

  /** Called when something other than white space begins at the current column. */
  #structure(isIndicator: boolean): void {
    if (this.#flowDepth > 0) return;
    const column = this.offset - this.#lineStart;
    if (this.#lineIsFresh) {
      while (this.#columns.length > 0 && this.#columns[this.#columns.length - 1]! >= column) this.#columns.pop();
      this.#columns.push(column);
      this.#lineIsFresh = false;
    } else if (isIndicator) {
      this.#columns.push(column);
    }
  }

  #advance(lexeme: string): void {
    const newline = lexeme.lastIndexOf('\n');
    if (newline >= 0) {
      this.#lineStart = this.offset + newline + 1;
      this.#lineIsFresh = true;
    }
    this.offset += lexeme.length;
  }
}
