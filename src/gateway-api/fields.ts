/**
 * A typed reader for the tree of one mapping. It knows the path and line of each field and reports invalid values.
 *
 * Stage before: `yaml-tree.ts`. Used by the readers of all kinds. A method returns null when the field is absent or
 * when it has reported a problem. The caller continues in both cases, so that all problems of a document are found at
 * once.
 */
import { MAX_PORT, quote } from './limits.ts';
import type { Check } from './limits.ts';
import type { ProblemCode } from './problem-codes.ts';
import type { Report } from './report.ts';
import { suggest } from './suggest.ts';
import type { Tree, TreeEntry, TreeMap } from './tree.ts';

/** The name of a type of value in messages. */
function describe(tree: Tree): string {
  if (tree.type === 'map') return 'a mapping';
  if (tree.type === 'list') return 'a list';
  if (tree.value === null) return 'nothing';
  return typeof tree.value === 'string' ? quote(tree.value) : tree.source || String(tree.value);
}

const AMBIGUOUS_WORDS = /^(?:y|yes|n|no|on|off)$/i;

/** The text of a scalar that passes `check`; null after a problem was reported. */
function readString(report: Report, tree: Tree, path: string, offset: number, check?: Check): string | null {
  if (tree.type !== 'scalar' || tree.value === null) {
    report.error('wrong-type', path, offset, `must be text, got ${describe(tree)}`);
    return null;
  }
  const value = typeof tree.value === 'string' ? tree.value : describe(tree);
  const fault = check?.(value) ?? null;
  if (fault !== null) {
    report.error(fault.code, path, offset, fault.message);
    return null;
  }
  if (typeof tree.value !== 'string') {
    const found = typeof tree.value === 'number' ? 'the number' : 'the boolean';
    report.error('unquoted-string', path, offset, `must be text, got ${found} ${value}; quote it: "${value}"`);
    return null;
  }
  if (tree.plain && AMBIGUOUS_WORDS.test(value)) {
    report.warn('ambiguous-string', path, offset, `unquoted ${value} is a boolean to kubectl; write "${value}"`);
  }
  return value;
}

/** With a leading zero, YAML 1.1 (which kubectl reads) takes a number as octal; YAML 1.2 does not. */
const LEADING_ZERO = /^[-+]?0[0-9]/;

function readInteger(report: Report, tree: Tree, path: string, offset: number): number | null {
  if (tree.type === 'scalar' && typeof tree.value === 'number') {
    if (Number.isInteger(tree.value) && !LEADING_ZERO.test(tree.source)) return tree.value;
    report.error('wrong-type', path, offset, `must be a whole decimal number, got ${describe(tree)}`);
    return null;
  }
  const quoted = tree.type === 'scalar' && typeof tree.value === 'string' && /^\s*-?\d+\s*$/.test(tree.value);
  if (quoted) report.error('quoted-number', path, offset, `must be a number, got ${describe(tree)}; remove the quotes`);
  else report.error('wrong-type', path, offset, `must be a whole number, got ${describe(tree)}`);
  return null;
}

function isAbsent(tree: Tree): boolean {
  return tree.type === 'scalar' && tree.value === null;
}

/** One entry of a list of texts. */
export interface TextItem {
  readonly value: string;
  readonly path: string;
  readonly offset: number;
}

export class Fields {
  readonly path: string;
  /** Offset of the key that holds this mapping, or of the list entry. */
  readonly offset: number;
  readonly report: Report;
  readonly #entries: ReadonlyMap<string, TreeEntry>;

  constructor(report: Report, map: TreeMap, path: string, offset: number) {
    this.report = report;
    this.path = path;
    this.offset = offset;
    this.#entries = map.entries;
  }

  /** True when the field is present and has a value. */
  has(name: string): boolean {
    const entry = this.#entries.get(name);
    return entry !== undefined && !isAbsent(entry.value);
  }

  pathOf(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`;
  }

  error(name: string, code: ProblemCode, message: string): void {
    this.report.error(code, this.pathOf(name), this.#entries.get(name)?.offset ?? this.offset, message);
  }

  warn(name: string, code: ProblemCode, message: string): void {
    this.report.warn(code, this.pathOf(name), this.#entries.get(name)?.offset ?? this.offset, message);
  }

  note(name: string, code: ProblemCode, message: string): void {
    this.report.note(code, this.pathOf(name), this.#entries.get(name)?.offset ?? this.offset, message);
  }

  /** The same fields with a new, empty report about the same resource. */
  detached(): Fields {
    const report = this.report.detached();
    report.resource = this.report.resource;
    return new Fields(report, { type: 'map', offset: this.offset, entries: this.#entries }, this.path, this.offset);
  }

  /**
   * Reports every field outside `known`. `elsewhere` names fields that belong to a place nearby, such as `spec.rules`;
   * wrong indentation usually puts them here.
   */
  only(known: readonly string[], elsewhere: readonly string[] = []): void {
    for (const [name, entry] of this.#entries) {
      if (known.includes(name)) {
        if (isAbsent(entry.value)) this.warn(name, 'empty-field', 'has no value and counts as absent');
        continue;
      }
      this.error(name, 'unknown-field', `no such field here; ${this.#hint(name, known, elsewhere)}`);
    }
  }

  #hint(name: string, known: readonly string[], elsewhere: readonly string[]): string {
    const moved = elsewhere.find((place) => place.slice(place.lastIndexOf('.') + 1) === name);
    if (moved !== undefined) return `it belongs to ${moved}: check the indentation`;
    const near = suggest(name, known);
    return near === null ? `there are: ${known.join(', ')}` : `did you mean "${near}"?`;
  }

  /** Reports a required field that is absent. `instead` completes "is required". */
  require(name: string, why = ''): boolean {
    if (this.has(name)) return true;
    this.error(name, 'missing-field', `is required${why}`);
    return false;
  }

  string(name: string, check?: Check): string | null {
    const entry = this.#present(name);
    if (entry === null) return null;
    return readString(this.report, entry.value, this.pathOf(name), entry.offset, check);
  }

  /** Null only after something was reported. */
  requiredString(name: string, check?: Check): string | null {
    return this.require(name) ? this.string(name, check) : null;
  }

  integer(name: string, min: number, max: number): number | null {
    const entry = this.#present(name);
    if (entry === null) return null;
    const value = readInteger(this.report, entry.value, this.pathOf(name), entry.offset);
    if (value === null || (value >= min && value <= max)) return value;
    this.error(name, 'out-of-range', `must be ${min} to ${max}, got ${value}`);
    return null;
  }

  port(name: string): number | null {
    return this.integer(name, 1, MAX_PORT);
  }

  boolean(name: string): boolean | null {
    const entry = this.#present(name);
    if (entry === null) return null;
    const tree = entry.value;
    if (tree.type === 'scalar' && typeof tree.value === 'boolean') return tree.value;
    const quoted = tree.type === 'scalar' && (tree.value === 'true' || tree.value === 'false');
    const advice = quoted ? '; remove the quotes' : '';
    this.error(name, quoted ? 'quoted-number' : 'wrong-type', `must be true or false, got ${describe(tree)}${advice}`);
    return null;
  }

  /** One value of an enumeration. Any other value is reported as `unsupported-value`. */
  oneOf<const Value extends string>(name: string, values: readonly Value[]): Value | null {
    const found = this.string(name);
    if (found === null) return null;
    const value = values.find((candidate) => candidate === found);
    if (value !== undefined) return value;
    const near = suggest(found, values);
    const advice = near === null ? '' : `; did you mean "${near}"?`;
    this.error(name, 'unsupported-value', `must be one of ${values.join(', ')}; got ${quote(found)}${advice}`);
    return null;
  }

  fields(name: string): Fields | null {
    const entry = this.#present(name);
    return entry === null ? null : Fields.of(this.report, entry.value, this.pathOf(name), entry.offset);
  }

  requiredFields(name: string): Fields | null {
    return this.require(name) ? this.fields(name) : null;
  }

  /** The entries of a list of mappings; those of another type are reported and left out. Absent: empty. */
  list(name: string, maxItems: number, minItems = 0): Fields[] {
    return this.#items(name, maxItems, minItems).flatMap(({ tree, path }) => {
      const item = Fields.of(this.report, tree, path, tree.offset);
      return item === null ? [] : [item];
    });
  }

  /** The entries of a list of texts; those that fail are reported and left out. */
  textList(name: string, maxItems: number, check?: Check): TextItem[] {
    return this.#items(name, maxItems, 0).flatMap(({ tree, path }) => {
      const { offset } = tree;
      const value = readString(this.report, tree, path, offset, check);
      return value === null ? [] : [{ value, path, offset }];
    });
  }

  /** The entries of a list that is a set: repeated values are errors. */
  textSet(name: string, maxItems: number, check?: Check): string[] {
    const seen = new Set<string>();
    for (const { value, path, offset } of this.textList(name, maxItems, check)) {
      if (seen.has(value)) this.#repeated(path, offset, quote(value));
      seen.add(value);
    }
    return [...seen];
  }

  /** Like `textSet`, for whole numbers. */
  integerSet(name: string, min: number, max: number, maxItems: number): number[] {
    const seen = new Set<number>();
    for (const { tree, path } of this.#items(name, maxItems, 0)) {
      const value = readInteger(this.report, tree, path, tree.offset);
      if (value === null) continue;
      if (value < min || value > max) {
        this.report.error('out-of-range', path, tree.offset, `must be ${min} to ${max}, got ${value}`);
      } else if (seen.has(value)) {
        this.#repeated(path, tree.offset, String(value));
      } else {
        seen.add(value);
      }
    }
    return [...seen];
  }

  #repeated(path: string, offset: number, value: string): void {
    this.report.error('duplicate-value', path, offset, `${value} stands twice in a list that is a set; keep one`);
  }

  /** The value of a field, unchecked; null when absent. */
  tree(name: string): Tree | null {
    return this.#present(name)?.value ?? null;
  }

  names(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /** A reader for `tree` when it is a mapping; otherwise null after a problem was reported. */
  static of(report: Report, tree: Tree, path: string, offset: number): Fields | null {
    if (tree.type === 'map') return new Fields(report, tree, path, offset);
    report.error('wrong-type', path, offset, `must be a mapping, got ${describe(tree)}`);
    return null;
  }

  #present(name: string): TreeEntry | null {
    const entry = this.#entries.get(name);
    return entry === undefined || isAbsent(entry.value) ? null : entry;
  }

  #items(name: string, maxItems: number, minItems: number): { tree: Tree; path: string }[] {
    const entry = this.#present(name);
    if (entry === null) return [];
    if (entry.value.type !== 'list') {
      this.error(name, 'wrong-type', `must be a list, got ${describe(entry.value)}`);
      return [];
    }
    const { items } = entry.value;
    if (items.length > maxItems) {
      this.error(name, 'too-many-items', `must have at most ${maxItems} entries, got ${items.length}`);
    } else if (items.length < minItems) {
      this.error(name, 'too-few-items', `must have ${minItems} or more entries, got ${items.length}`);
    }
    // Entries beyond the limit are not read: one problem is enough, and the work stays bounded.
    return items.slice(0, maxItems).map((tree, index) => ({ tree, path: `${this.pathOf(name)}[${index}]` }));
  }
}

/** The text of a scalar; null for anything else. For code that needs a value before it is validated. */
export function textOf(tree: Tree | null): string | null {
  return tree?.type === 'scalar' && typeof tree.value === 'string' ? tree.value : null;
}
