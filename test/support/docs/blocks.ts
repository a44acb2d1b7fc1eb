/** The commands that the documents tell users to run: fenced blocks, and commands within sentences. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../manifests.ts';

export interface Block {
  /** Path in the repository. */
  readonly document: string;
  /** `docs/install.md > Monitoring`, with a number behind it from the second block under a heading on. */
  readonly title: string;
  /** First line of its text. */
  readonly line: number;
  readonly language: string;
  readonly text: string;
}

/** The documents beside the sources, in docs/ and below deploy/. */
export function documents(): string[] {
  const markdown = (directory: string) =>
    readdirSync(join(ROOT, directory), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(directory, name));
  const beside = readdirSync(ROOT).filter((name) => name.endsWith('.md'));
  return [...beside.sort(), ...markdown('docs').sort(), ...markdown('deploy').sort()];
}

/** All blocks, in the order of the document. */
export function fencedBlocks(document: string, text = readFileSync(join(ROOT, document), 'utf8')): Block[] {
  const blocks: Block[] = [];
  let heading = '';
  let count = 0;
  let open: { language: string; line: number; indent: number; lines: string[] } | null = null;
  for (const [index, line] of text.split('\n').entries()) {
    const fence = /^( *)```(\w*)/.exec(line);
    if (open !== null) {
      if (fence === null) {
        open.lines.push(line.slice(open.indent));
        continue;
      }
      count += 1;
      const title = `${document} > ${heading}${count === 1 ? '' : ` (${count})`}`;
      blocks.push({ document, title, line: open.line, language: open.language, text: `${open.lines.join('\n')}\n` });
      open = null;
    } else if (fence !== null) {
      open = { language: fence[2]!, line: index + 2, indent: fence[1]!.length, lines: [] };
    } else {
      const found = /^#+ (.*)/.exec(line);
      if (found !== null) [heading, count] = [found[1]!, 0];
    }
  }
  if (open !== null) throw new Error(`${document}:${open.line}: the block does not end`);
  return blocks;
}

/** Code within sentences that begins with one of `programs`; line breaks in it are spaces. */
export function inlineCommands(document: string, programs: readonly string[]): string[] {
  const text = readFileSync(join(ROOT, document), 'utf8').replaceAll(/^ *```[^]*?^ *```$/gm, '');
  return [...text.matchAll(/(?<!`)`([^`]+)`(?!`)/g)]
    .map(([, code]) => code!.replaceAll(/\s+/g, ' '))
    .filter((code) => programs.includes(code.replace(/^([A-Z_]+=\S+ )+/, '').split(' ')[0]!));
}

/** The commands of a script in the order in which a shell runs them; continued lines are joined, comments removed. */
export function commandsOf(script: string): string[] {
  return script
    .replaceAll(/\\\n/g, ' ')
    .replaceAll(/(\||&&)[ \t]*\n/g, '$1 ')
    .split('\n')
    .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
    .flatMap((line) => line.split(/ && /))
    .filter((line) => line !== '');
}

export interface Step {
  /** What stands before `$ `: the pod in which the command is run; empty for the reader's own machine. */
  readonly host: string;
  readonly command: string;
  readonly output: string;
}

/** A session with its prompts: `$ command` or `client$ command`, and what it prints. */
export function consoleSteps(text: string): Step[] {
  const steps: Step[] = [];
  for (const part of text.replaceAll(/\\\n/g, ' ').split(/^(?=[\w-]*\$ )/m)) {
    const found = /^([\w-]*)\$ (.*)\n([^]*)$/.exec(part);
    if (found === null) throw new Error(`no prompt at: ${part}`);
    steps.push({ host: found[1]!, command: found[2]!, output: found[3]! });
  }
  return steps;
}

/** Whether a command printed what the document shows; `...` stands for any lines, or any text within a line. */
export function printed(shown: string, actual: string): boolean {
  const pattern = shown
    .trimEnd()
    .split('\n')
    .map((line) =>
      line.trim() === '...'
        ? '(?:.*\n)*?'
        : `${line
            .trimEnd()
            .split('...')
            .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
            .join('.*')}[ \t]*\n`,
    );
  return new RegExp(`^${pattern.join('')}$`).test(`${actual.trimEnd()}\n`);
}
