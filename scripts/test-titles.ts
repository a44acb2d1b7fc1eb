/**
 * Finds the tests that prove numbered rules: titles such as `SAFETY 7, 30: ...` or `SPEC M4, M6-M9: ...`, as string
 * literals in the sources of the tests. Used by the scripts that write tables into docs/.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

export interface ProvingTest {
  /** Without the numbers. */
  readonly sentence: string;
  /** Relative to `root`. */
  readonly file: string;
}

/** A number, or a letter and a number, or a range of these; several are separated by comma and space. */
const RULE = '[A-Z]?\\d+(?:-[A-Z]?\\d+)?';

/** `M6-M9` stands for four rules. */
function expandRange(rules: string): string[] {
  const [first = '', last = first] = rules.split('-');
  const letter = first.replace(/\d+$/, '');
  const from = Number(first.slice(letter.length));
  const to = Number(last.slice(letter.length));
  return Array.from({ length: to - from + 1 }, (_, i) => `${letter}${from + i}`);
}

/** What a title says of all the cases that it stands for: the name of the case, before a colon or in parentheses, is left out. */
function withoutExpressions(sentence: string): string {
  return sentence
    .replace(/^\$\{[^}]*\}: /, '')
    .replace(/ \(\$\{[^}]*\}\)$/, '')
    .replaceAll(/\$\{[^}]*\}/g, '…');
}

/** Tests by rule, in the order of files and lines. `prefix`: for example `SAFETY`; searches `folder` below `root`. */
export function provingTests(root: string, folder: string, prefix: string): Map<string, ProvingTest[]> {
  const title = new RegExp(`(['"\`])${prefix} (${RULE}(?:, ${RULE})*): ((?:\\\\.|(?!\\1)[^\\\\\\n])*)\\1`, 'g');
  const found = new Map<string, ProvingTest[]>();
  const files = readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  for (const path of files) {
    for (const [, , rules, sentence] of readFileSync(path, 'utf8').matchAll(title)) {
      for (const rule of rules!.split(', ').flatMap(expandRange)) {
        const tests = found.get(rule) ?? [];
        found.set(rule, tests);
        const test = { sentence: withoutExpressions(sentence!.replaceAll(/\\(.)/g, '$1')), file: relative(root, path) };
        // One title may be used for several runs.
        if (!tests.some((other) => other.sentence === test.sentence && other.file === test.file)) tests.push(test);
      }
    }
  }
  return found;
}

/** Text for a cell of a Markdown table; code spans stay as they are. */
export function cell(text: string): string {
  return text
    .split(/(`[^`]*`)/)
    .map((part) => (part.startsWith('`') ? part : part.replaceAll(/[<*]/g, '\\$&')))
    .join('')
    .replaceAll('|', '\\|')
    .replaceAll('\n', ' ');
}

/** A cell with each test and a link to its file, for a document in docs/; the link text leaves out `folder`. */
export function proofsCell(tests: readonly ProvingTest[], folder: string): string {
  return tests
    .map(({ sentence, file }) => `${cell(sentence)} ([${file.slice(folder.length + 1)}](../${file}))`)
    .join('<br>');
}

/** A test that shows something without the number in its title. */
export interface NamedTest {
  /** Relative to the root. */
  readonly file: string;
  /** As in the source, between the quotes. */
  readonly title: string;
}

/** Whether the file has a test with that title. */
export function isThere(root: string, { file, title }: NamedTest): boolean {
  const path = join(root, file);
  if (!existsSync(path)) return false;
  const literal = (quote: string): string => `${quote}${title.replaceAll(quote, `\\${quote}`)}${quote}`;
  const source = readFileSync(path, 'utf8');
  return ["'", '"', '`'].some((quote) => source.includes(literal(quote)));
}

/** The title without numbers of other tables and without placeholders, which only make sense in the source. */
export function sentenceOf({ title }: NamedTest): string {
  return title.replace(/^[A-Z]+ [^:]*: /, '').replaceAll(/\$\{([^}]*)\}/g, '…');
}
