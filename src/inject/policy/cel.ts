/**
 * Writes values in CEL, the language of admission policies: JSON in which some values are expressions.
 *
 * Used by the other files here. CEL requires entries of a list or mapping to have one type, so each is a `dyn(...)`.
 */

/** An expression in place of a value. */
export class Expression {
  readonly text: string;
  /**
   * optional: the expression yields an optional; without a value, the field or the list entry that holds it is left out.
   * each: it yields a list, with one entry for each element.
   */
  readonly kind: 'value' | 'optional' | 'each';

  constructor(text: string, kind: Expression['kind'] = 'value') {
    this.text = text;
    this.kind = kind;
  }
}

/** Expressions are wrapped at this width where possible. */
const WIDTH = 110;
const INDENT = '  ';

export function celText(text: string): string {
  return /^[ -&(-[\]-~]*$/.test(text) ? `'${text}'` : JSON.stringify(text);
}

/** A regular expression. Those used here mean the same in RE2 and JavaScript. */
export function celRegex({ source }: RegExp): string {
  return `r'${source.replaceAll("'", '\\x27')}'`;
}

export function celList(texts: readonly string[]): string {
  return `[${texts.map(celText).join(', ')}]`;
}

const HOLE = '\u0000';

/** A text with expressions: `template` makes the text around the holes, which `expressions` fill in order. */
export function celTemplate(template: (...holes: string[]) => string, ...expressions: readonly string[]): string {
  const pieces = template(...expressions.map((_, index) => `${HOLE}${index}${HOLE}`)).split(HOLE);
  return pieces
    .map((piece, index) => (index % 2 === 1 ? expressions[Number(piece)]! : piece === '' ? null : celText(piece)))
    .filter((part) => part !== null)
    .join(' + ');
}

export function celValue(value: unknown, indent = ''): string {
  if (value instanceof Expression) return value.text;
  if (Array.isArray(value)) return listValue(value, indent);
  if (typeof value === 'object' && value !== null) return mapValue(value as Record<string, unknown>, indent);
  return typeof value === 'string' ? celText(value) : String(value);
}

function listValue(items: readonly unknown[], indent: string): string {
  const parts: string[] = [];
  let plain: string[] = [];
  const endPlain = (): void => {
    if (plain.length > 0) parts.push(enclosed('[', plain, ']', indent));
    plain = [];
  };
  for (const item of items) {
    const [hole] = holesOf(item);
    if (hole?.kind === 'each') {
      endPlain();
      parts.push(`${hole.text}.map(each, ${dyn(withHole(item, hole, new Expression('each')), indent)})`);
    } else if (hole?.kind === 'optional') {
      plain.push(`?${hole.text}.optMap(given, ${dyn(withHole(item, hole, new Expression('given')), indent + INDENT)})`);
    } else {
      plain.push(dyn(item, indent + INDENT));
    }
  }
  endPlain();
  return parts.length === 0 ? '[]' : parts.join(` +\n${indent}`);
}

function mapValue(fields: Record<string, unknown>, indent: string): string {
  const entries = Object.entries(fields).map(([name, value]) => {
    const key = celText(name);
    if (!(value instanceof Expression) || value.kind !== 'optional') return `${key}: ${dyn(value, indent + INDENT)}`;
    return `?${key}: ${value.text}.optMap(given, dyn(given))`;
  });
  return enclosed('{', entries, '}', indent);
}

function dyn(value: unknown, indent: string): string {
  return `dyn(${celValue(value, indent)})`;
}

/** Holes of this entry itself, without those of entries of a list in it. */
function holesOf(value: unknown): Expression[] {
  if (value instanceof Expression) return value.kind === 'value' ? [] : [value];
  if (Array.isArray(value)) return [];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(holesOf) : [];
}

function withHole(value: unknown, hole: Expression, instead: Expression): unknown {
  if (value === hole) return instead;
  if (value instanceof Expression || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, withHole(item, hole, instead)]));
}

/** On one line if it fits. */
function enclosed(open: string, parts: readonly string[], close: string, indent: string): string {
  const line = `${open}${parts.join(', ')}${close}`;
  if (!line.includes('\n') && indent.length + line.length <= WIDTH) return line;
  return `${open}\n${parts.map((part) => `${indent}${INDENT}${part}`).join(',\n')}\n${indent}${close}`;
}
