/** What the documents name exists: commands with their flags, variables, metrics, annotations, files and headings. */
import { existsSync, readdirSync } from 'node:fs';
import type { Command } from 'commander';
import t from 'tap';
import {
  GENERATION_ANNOTATION,
  INJECTION_LABEL,
  NAMES_ANNOTATION,
  ROUTES_ANNOTATION,
  ROUTES_FROM_ANNOTATION,
  TEXT_HASH_ANNOTATION,
} from '../../../src/controller/objects.ts';
import { CONTROLLER_NAME } from '../../../src/controller/settings.ts';
import { MANAGED_ANNOTATION } from '../../../src/gateway-api/service.ts';
import { INJECT_SETTINGS } from '../../../src/inject/annotations.ts';
import { OUTPUT_CHAIN, PROBE_CHAIN, REDIRECT_CHAIN } from '../../../src/iptables/document.ts';
import { packageRoot } from '../../../src/package-root.ts';
import { buildProgram } from '../../../src/program.ts';
import { anchors, code, documents, read } from './markdown.ts';

const program = buildProgram();

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

/** The command that begins a text, as far as its words are commands, and the rest of the text up to the next program. */
function commandOf(text: string): { command: Command; words: number; rest: string } {
  let command = program;
  let words = 0;
  let rest = text;
  for (;;) {
    const word = /^ +([a-z-]+)/.exec(rest);
    const next = command.commands.find((child) => child.name() === word?.[1]);
    if (word === null || next === undefined) break;
    command = next;
    words++;
    rest = rest.slice(word[0].length);
  }
  return { command, words, rest: rest.split(/ \| | && |;|\$\(/)[0]! };
}

t.test('every command of sideroute in a document exists, with its flags', async (t) => {
  let seen = 0;
  for (const [name, text] of documents()) {
    for (const line of code(text)) {
      for (const { index } of line.matchAll(
        /(?<![\w/.-])(?<!helm (?:install|upgrade|uninstall) )sideroute(?= [a-z])/g,
      )) {
        const called = line.slice(index + 'sideroute'.length);
        const { command, words, rest } = commandOf(called);
        if (words === 0) {
          t.fail(`${name}: sideroute${called}`);
          continue;
        }
        seen++;
        const flags = new Set(command.options.map((option) => option.long));
        for (const [flag] of rest.matchAll(/(?<=\s)--[a-z][a-z0-9-]*/g)) {
          if (!flags.has(flag) && flag !== '--help') t.fail(`${name}: sideroute${called}: ${flag}`);
        }
      }
    }
  }
  t.ok(seen > 20, `${seen} commands looked at`);
});

t.test('every variable in a document exists', async (t) => {
  const known = new Set<string>([OUTPUT_CHAIN, REDIRECT_CHAIN, PROBE_CHAIN]);
  for (const command of everyCommand(program)) {
    for (const option of command.options) if (option.envVar !== undefined) known.add(option.envVar);
  }
  for (const name of [
    'Dockerfile',
    'init-container/Dockerfile',
    ...['test/e2e/', 'test/cluster/', 'scripts/'].flatMap(sources),
  ]) {
    for (const [, variable] of read(name).matchAll(/\b(?:ARG |env\[')(SIDEROUTE_[A-Z0-9_]+)/g)) known.add(variable!);
  }
  let seen = 0;
  for (const [name, text] of documents()) {
    for (const [variable] of text.matchAll(/\bSIDEROUTE_[A-Z0-9_]*[A-Z0-9]/g)) {
      seen++;
      if (!known.has(variable)) t.fail(`${name}: ${variable}`);
    }
  }
  t.ok(seen > 50, `${seen} variables looked at`);
});

t.test('every metric in a document exists', async (t) => {
  // Compared with what is exposed by test/unit/observe/exposition.test.ts and test/unit/controller/metrics.test.ts.
  const tables = ['docs/configuration.md', 'docs/controller.md'].map(read).join('\n');
  const rows = tables.matchAll(/^\| `(sideroute_\w+)` \|/gm);
  const known = new Set([...rows].map(([, metric]) => metric!));
  t.ok(known.size > 20);
  let seen = 0;
  for (const [name, text] of documents()) {
    for (const [metric] of text.matchAll(/\bsideroute_[a-z0-9_]+/g)) {
      const family = metric.replace(/_(?:bucket|sum|count)$/, '');
      seen++;
      if (!known.has(metric) && !known.has(family)) t.fail(`${name}: ${metric}`);
    }
  }
  t.ok(seen > 50, `${seen} metrics looked at`);
});

t.test('every annotation and label of sideroute in a document exists', async (t) => {
  const settings = Object.values(INJECT_SETTINGS).map((setting) => setting.name);
  const managed = MANAGED_ANNOTATION.slice('sideroute.dev/'.length);
  const ofController = [
    ...[CONTROLLER_NAME, INJECTION_LABEL, ROUTES_ANNOTATION, ROUTES_FROM_ANNOTATION],
    ...[TEXT_HASH_ANNOTATION, GENERATION_ANNOTATION, NAMES_ANNOTATION],
  ].map((name) => name.slice('sideroute.dev/'.length));
  const known = new Set([...settings, managed, 'inject', 'injected', 'sidecar', ...ofController]);
  let seen = 0;
  for (const [name, text] of documents()) {
    for (const [, key] of text.matchAll(/\bsideroute\.dev\/([a-z][a-z-]*)/g)) {
      seen++;
      if (!known.has(key!)) t.fail(`${name}: sideroute.dev/${key!}`);
    }
  }
  t.ok(seen > 20, `${seen} annotations and labels looked at`);
});

t.test('every link between files leads to a file, and to a heading of it', async (t) => {
  let seen = 0;
  for (const [name, text] of documents()) {
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue;
      seen++;
      const [path = '', anchor] = target!.split('#');
      const url = path === '' ? new URL(name, packageRoot()) : new URL(path, new URL(name, packageRoot()));
      if (!existsSync(url)) {
        t.fail(`${name}: ${target!}: no such file`);
        continue;
      }
      if (anchor === undefined || anchor === '') continue;
      const linked = read(url.href.slice(packageRoot().href.length));
      if (!anchors(linked).has(anchor)) t.fail(`${name}: ${target!}: no such heading`);
    }
  }
  t.ok(seen > 50, `${seen} links looked at`);
});

t.test('every file and folder that a document names is there', async (t) => {
  let seen = 0;
  for (const [name, text] of documents()) {
    for (const [, path] of text.matchAll(
      /`((?:(?:bench|docs|init-container|scripts|src|test)\/|native\/(?:src|test|fuzz)\/|deploy\/[\w-]+\/)[\w/.-]*)(?:\s[^`]*)?`/g,
    )) {
      seen++;
      // NAME stands for what a contributor names; what is built is there once it has been.
      if (!/\bNAME\b|\/build\//.test(path!) && !existsSync(new URL(path!, packageRoot()))) t.fail(`${name}: ${path!}`);
    }
  }
  t.ok(seen > 50, `${seen} paths looked at`);
});

t.test('docs/ARCHITECTURE.md has a row for every part of src/ and every room of native/src/', async (t) => {
  const rows = [...read('docs/ARCHITECTURE.md').matchAll(/^\| (`.*?) \|/gm)].flatMap(([, cell]) =>
    [...cell!.matchAll(/`([\w./-]+)`/g)].map(([, path]) => path!.replace(/\/$/, '')),
  );
  const parts = ['src/', 'native/src/'].flatMap((folder) => readdirSync(new URL(folder, packageRoot())));
  t.ok(parts.length > 20);
  t.same(
    parts.filter((part) => !rows.includes(part)),
    [],
  );
});

function sources(folder: string): string[] {
  const names = readdirSync(new URL(folder, packageRoot())).filter((name) => /\.(?:ts|mjs)$/.test(name));
  return names.map((name) => `${folder}${name}`);
}
