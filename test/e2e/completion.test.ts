/**
 * What bash, zsh and fish complete, asked of the shells themselves; and what kubectl is answered of the same, which test/cluster asks by kubectl.
 */
// Needs: zsh, fish.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Command } from 'commander';
import { kubectlLines } from '../../src/cli/completion/kubectl.ts';
import { buildProgram } from '../../src/program.ts';
import { sideroute } from '../support/cli.ts';

/** What is typed behind `sideroute`, the last word up to the cursor, and what is offered. */
const CASES: readonly (readonly [readonly string[], readonly string[]])[] = [
  [['expl'], ['explain']],
  [
    ['routes', ''],
    ['export', 'help'],
  ],
  [['check', '--out'], ['--output']],
  [
    ['check', '-o', ''],
    ['json', 'table', 'yaml'],
  ],
  [
    ['iptables', 'apply', '--ipv6', 'o'],
    ['off', 'on'],
  ],
  [['log-level', 'de'], ['debug']],
  [['log-level', '--access-log', 'err'], ['errors']],
  [
    ['completion', ''],
    ['bash', 'fish', 'zsh'],
  ],
  [
    ['check', 'ro'],
    ['routes', 'routes.yaml'],
  ],
  [
    ['explain', '--service', 'check', '--routes', 'ro'],
    ['routes', 'routes.yaml'],
  ],
  [['explain', '--service', ''], []],
];

function directory(t: Test): string {
  return t.testdir({ routes: {}, 'routes.yaml': '', 'other.yaml': '' });
}

/** Runs a script in a directory with the completion of the shell in `completion`. */
function run(shell: string, cwd: string, script: string, ...flags: string[]): string {
  const { status, stdout } = sideroute(['completion', shell]);
  t.equal(status, 0);
  writeFileSync(join(cwd, 'completion'), stdout);
  const result = spawnSync(shell, [...flags, '-c', script], {
    cwd,
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, HOME: cwd },
  });
  t.equal(result.stderr, '', `${shell} has nothing to complain of`);
  return result.stdout;
}

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');
const sorted = (line: string): string[] =>
  line
    .split(' ')
    .filter((word) => word !== '')
    .sort();
const shellWords = (typed: readonly string[]): string => typed.map((word) => `'${word}'`).join(' ');

const BASH = `source ./completion
offers() {
  COMP_WORDS=(sideroute "$@"); COMP_CWORD=$#
  _sideroute
  echo "offers \${COMPREPLY[*]}"
}
complete -p sideroute > /dev/null
`;

t.test('bash', (t) => {
  const cases = [
    ...CASES,
    [['check', '--output', '=', 'j'], ['json']],
    [
      ['check', '--output', '='],
      ['json', 'table', 'yaml'],
    ],
  ] as const;
  const asks = cases.map(([typed]) => `offers ${shellWords(typed)}`);
  const offered = lines(run('bash', directory(t), BASH + asks.join('\n'), '--norc'));
  for (const [index, [typed, expected]] of cases.entries())
    t.same(sorted(offered[index]!.replace('offers', '')), expected, typed.join(' '));
  t.end();
});

/** Each command with the names of its flags. */
function flagsOf(command: Command, path: readonly string[] = []): (readonly [readonly string[], readonly string[]])[] {
  // What --help does not show of a command, --color, is a flag of the program.
  const shown = command.options.filter(({ hidden }) => !hidden);
  const names = shown.map(({ long }) => long!).filter((name) => name !== '--version');
  return [[path, names] as const, ...command.commands.flatMap((child) => flagsOf(child, [...path, child.name()]))];
}

t.test('bash offers every command and every flag there is', (t) => {
  const all = flagsOf(buildProgram());
  const asks = all.map(([path]) => `offers ${shellWords([...path, '-'])}`);
  const offered = lines(run('bash', directory(t), BASH + asks.join('\n'), '--norc'));
  t.ok(all.length > 15, `${all.length} commands`);
  for (const [index, [path, names]] of all.entries()) {
    const words = offered[index]!.split(' ');
    t.same(
      names.filter((name) => !words.includes(name)),
      [],
      `sideroute ${path.join(' ')}`,
    );
    t.ok(words.includes('--help'));
  }
  const [top = ''] = lines(run('bash', directory(t), `${BASH}offers ''`, '--norc'));
  t.same(sorted(top.replace('offers', '')), ['help', ...buildProgram().commands.map((each) => each.name())].sort());
  t.end();
});

t.test('fish', (t) => {
  const asks = CASES.map(
    ([typed]) => `echo offers (complete -C 'sideroute ${typed.join(' ')}' | string split -f 1 \\t)`,
  );
  const offered = lines(run('fish', directory(t), `source ./completion\n${asks.join('\n')}`, '--no-config'));
  for (const [index, [typed, expected]] of CASES.entries()) {
    const names = sorted(offered[index]!.replace('offers', '').replaceAll('/', ''));
    t.same(names, expected, typed.join(' '));
  }
  t.end();
});

/** A shell on a terminal of its own, where the line is typed and completed; what is offered is what compadd is given. */
const ZSH = `
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1= PS2= ; unsetopt zle_bracketed_paste; stty -echo; autoload -Uz compinit; compinit -u -D; source ./completion; print rea''dy"
zpty -r -m shell answer '*ready*'
zpty -w shell 'offered=()
compadd() {
  local -a hits
  if (( \${@[(I)-[AOD]]} )); then builtin compadd "$@"; return; fi
  builtin compadd -A hits "$@"
  offered+=("\${hits[@]}")
  builtin compadd "$@"
}
tell() { offered=(); zle list-choices; print -r -- "offers \${(u)offered[*]} end"; zle kill-buffer }
zle -N tell
bindkey "^T" tell
print rea""dy'
zpty -r -m shell answer "*ready*"
`;

t.test('zsh', (t) => {
  const asks = CASES.map(
    ([typed]) =>
      `zpty -w -n shell $'sideroute ${typed.join(' ')}\\C-t'; zpty -r -m shell answer '*offers * end*'; print -r -- "$answer"`,
  );
  const printed = run('zsh', directory(t), `${ZSH}${asks.join('\n')}\nzpty -d shell`, '-f');
  const offered = [...printed.matchAll(/offers (.*?) ?end/g)].map(([, names]) => names!);
  t.equal(offered.length, CASES.length, printed);
  for (const [index, [typed, expected]] of CASES.entries())
    t.same(sorted(offered[index] ?? ''), expected, typed.join(' '));
  t.end();
});

t.test('kubectl', (t) => {
  const program = buildProgram();
  const offered = (typed: readonly string[]): { names: string[]; directive: string } => {
    const all = lines(kubectlLines(program, typed));
    const names = all.slice(0, -1).map((line) => line.split('\t')[0]!);
    return { names: names.sort(), directive: all.at(-1)! };
  };
  for (const [typed, expected] of CASES) {
    // Names of files are the shell's to offer.
    const files = expected.some((name) => name.startsWith('routes'));
    t.same(
      offered(typed),
      files ? { names: [], directive: ':0' } : { names: expected, directive: ':4' },
      typed.join(' '),
    );
  }
  t.same(offered(['check', '--output=j']), { names: ['json'], directive: ':4' });
  t.same(offered(['check', '--filename=']), { names: [], directive: ':0' });
  t.same(offered(['check', '--nothing=']), { names: [], directive: ':4' });
  // What stands behind such a flag is a word of its own.
  t.same(offered(['check', '--output=json', '--str']), { names: ['--strict'], directive: ':4' });
  for (const [path, names] of flagsOf(program)) {
    const words = offered([...path, '-']).names;
    t.same(
      names.filter((name) => !words.includes(name)),
      [],
      `sideroute ${path.join(' ')}`,
    );
  }
  t.same(offered(['']).names, ['help', ...program.commands.map((each) => each.name())].sort());
  t.same(offered([]).names, offered(['']).names);
  t.match(kubectlLines(program, ['expl']), /^explain\tprint which rule a request would match/);
  t.end();
});
