/** The documents of the repository as these tests read them. */
import { readdirSync, readFileSync } from 'node:fs';
import { packageRoot } from '../../../src/package-root.ts';

export interface Section {
  readonly heading: string;
  readonly text: string;
}

/** `name`: path from the root of the repository. */
export function read(name: string): string {
  return readFileSync(new URL(name, packageRoot()), 'utf8');
}

/** Every document a user may read, by its path from the root of the repository. */
export function documents(): ReadonlyMap<string, string> {
  const root = readdirSync(packageRoot()).filter((name) => name.endsWith('.md'));
  const docs = readdirSync(new URL('docs/', packageRoot())).filter((name) => name.endsWith('.md'));
  return new Map([...root, ...docs.map((name) => `docs/${name}`)].map((name) => [name, read(name)]));
}

/** What stands below each heading of that level, up to the next one of the same or a higher level. */
export function sections(text: string, level: number): Section[] {
  const found: { heading: string; lines: string[] }[] = [];
  let open = false;
  for (const line of withoutBlocks(text).split('\n')) {
    const marks = /^(#+) /.exec(line)?.[1]!.length ?? Infinity;
    if (marks <= level) open = marks === level;
    if (marks === level) found.push({ heading: line.slice(level + 1), lines: [] });
    else if (open) found.at(-1)!.lines.push(line);
  }
  return found.map(({ heading, lines }) => ({ heading, text: lines.join('\n') }));
}

/** Anchors of the headings, as GitHub makes them. */
export function anchors(text: string): Set<string> {
  const made = new Set<string>();
  for (const [, heading] of withoutBlocks(text).matchAll(/^#+ (.*)$/gm)) {
    const plain = heading!.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const slug = plain.replaceAll(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-');
    let anchor = slug;
    for (let count = 1; made.has(anchor); count++) anchor = `${slug}-${count}`;
    made.add(anchor);
  }
  return made;
}

/** Code spans, and the lines of fenced blocks. */
export function code(text: string): string[] {
  const blocks = [...text.matchAll(/^```[^\n]*\n(.*?)^```$/gms)].flatMap(([, block]) => block!.split('\n'));
  const spans = [...withoutBlocks(text).matchAll(/`([^`\n]+)`/g)].map(([, span]) => span!);
  return [...blocks, ...spans];
}

function withoutBlocks(text: string): string {
  return text.replaceAll(/^```.*?^```$/gms, '');
}
