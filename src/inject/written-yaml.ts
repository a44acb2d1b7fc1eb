/**
 * Writes values as YAML, in the two styles of manifests: block (indentation) or flow (JSON).
 *
 * Used by `text-patch.ts` for additions. The result means the same in YAML 1.1 and 1.2, so every ambiguous text is
 * quoted.
 */

export type Value = string | number | boolean | readonly Value[] | WrittenFields;

export interface WrittenFields {
  readonly [name: string]: Value;
}

/** Columns for one level of indentation in additions. */
const STEP = 2;

/** `name: value` for each field, as lines that start at `column`. */
export function fieldLines(fields: WrittenFields, column: number): string[] {
  return Object.entries(fields).flatMap(([name, value]) => {
    const key = `${' '.repeat(column)}${textScalar(name)}:`;
    if (isBlock(value)) return [`${key} |-`, ...value.split('\n').map((line) => ' '.repeat(column + STEP) + line)];
    if (isScalar(value) || isInline(value)) return [`${key} ${inline(value)}`];
    return [
      key,
      ...(isList(value) ? value.flatMap((item) => itemLines(item, column + STEP)) : fieldLines(value, column + STEP)),
    ];
  });
}

/** `- value`, as lines with the dash at `column`. */
export function itemLines(item: Value, column: number): string[] {
  const dash = `${' '.repeat(column)}- `;
  if (isScalar(item) || isInline(item) || isList(item)) return [dash + inline(item)];
  const [first = '', ...rest] = fieldLines(item, column + STEP);
  return [dash + first.slice(column + STEP), ...rest];
}

/** JSON on one line, with a space after `:` and `,`. */
export function flowText(value: Value): string {
  if (isScalar(value)) return JSON.stringify(value);
  if (isList(value)) return `[${value.map(flowText).join(', ')}]`;
  return `{${flowFields(value).join(', ')}}`;
}

export function flowFields(fields: WrittenFields): string[] {
  return Object.entries(fields).map(([name, value]) => `${JSON.stringify(name)}: ${flowText(value)}`);
}

function isScalar(value: Value): value is string | number | boolean {
  return typeof value !== 'object';
}

function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

/** True for text of several lines that can be written as a block scalar without escapes. */
function isBlock(value: Value): value is string {
  return typeof value === 'string' && /^[!-~][ -~]*(?:\n(?:[ -~]*[!-~]))+$/.test(value);
}

/** Lists of scalars fit on one line; empty collections have no other form. */
function isInline(value: readonly Value[] | WrittenFields): boolean {
  return isList(value) ? value.every(isScalar) : Object.keys(value).length === 0;
}

function inline(value: Value): string {
  if (isList(value)) return `[${value.map(inline).join(', ')}]`;
  return typeof value === 'string' ? textScalar(value) : flowText(value);
}

const PLAIN = /^[A-Za-z/][A-Za-z0-9_./-]*(?::[A-Za-z0-9_./-]+)*$/;
/** Words that some YAML readers do not read as text. */
const TYPED = /^(?:y|n|yes|no|on|off|true|false|null)$/i;
const PRINTABLE = /^[ -~]*$/;

function textScalar(text: string): string {
  if (PLAIN.test(text) && !TYPED.test(text)) return text;
  return PRINTABLE.test(text) ? `'${text.replaceAll("'", "''")}'` : JSON.stringify(text);
}
