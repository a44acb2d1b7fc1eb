/** Every program that measures shows its flags, and says in a line which of them is wrong before it does anything. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  'bench/suite/bench': ['--quick', '--rounds', '--cells', '--proxies', '--envoy', '--report', '--from'],
  'bench/guard/guard': ['--only', '--update', '--show'],
  'bench/proxy/compare': ['--rounds', '--seconds', '--connections', '--system-calls', '--access-log', '--before'],
  'bench/proxy/http2': ['--rounds', '--turns', '--loads', '--proxies', '--before', '--envoy', '--quick'],
  'bench/proxy/tap': ['--pairs', '--sample', '--connections', '--access-log'],
  'bench/proxy/workers': ['--pairs', '--share', '--connections'],
  'bench/micro/compile': ['--quick'],
  'bench/micro/decide': ['--quick'],
  'bench/micro/memory': ['--rules', '--rules-per-route', '--as', '--reloads', '--heap'],
  'bench/micro/metrics': ['--quick'],
  'bench/micro/nodes': ['--nodes', '--rounds', '--idle'],
  'bench/micro/reload': ['--routes', '--rounds', '--before', '--quick'],
  'bench/micro/stats': [],
  'test/soak/soak': ['--minutes', '--rate', '--fault-every', '--plant', '--report', '--json'],
};

const WRONG: readonly (readonly [program: string, flags: readonly string[], said: string])[] = [
  ['bench/guard/guard', ['--only', 'calls,heat'], 'There is no heat; there are instructions, allocations, '],
  ['bench/guard/guard', ['--show', 'heat/get'], 'No measure has it; there are instructions, allocations, '],
  ['bench/guard/guard', ['--show', 'calls,idle'], 'No measure has it; there are instructions, allocations, '],
  ['bench/proxy/compare', ['--rounds', 'many'], 'It must be a positive number.'],
  ['bench/proxy/compare', ['--rounds', '1.5'], 'It must be a whole number from 1.'],
  ['bench/proxy/compare', ['--access-log', 'off,some'], 'There is no some; there are off, errors, all.'],
  ['bench/proxy/compare', ['--proxies', 'native@node,squid'], 'There is no squid; there are native, '],
  ['bench/proxy/http2', ['--proxies', 'nginx'], 'There is no nginx; there are native, '],
  ['bench/proxy/http2', ['--loads', '4x16,4'], '4 is no load: 4x16, or 4x16:16384.'],
  ['bench/proxy/http2', ['--loads', '0x1'], '0x1 is no load: 4x16, or 4x16:16384.'],
  ['bench/proxy/compare', ['--proxies', 'native,,nginx'], 'It must be a list such as a,b.'],
  ['bench/proxy/workers', ['--share', '1.5'], 'It must be at most 1.'],
  ['bench/proxy/tap', ['--access-log', 'none'], 'Allowed choices are off, errors, all.'],
  ['bench/micro/memory', ['--rules', '0,-1'], 'It must be a positive number.'],
  ['bench/micro/memory', ['--as', 'xml'], 'Allowed choices are files, json, set.'],
  ['bench/micro/nodes', ['--idle', 'Infinity'], 'It must be a positive number.'],
  ['test/soak/soak', ['--minutes', '0'], 'It must be a positive number.'],
];

function run(program: string, ...flags: readonly string[]) {
  const file = fileURLToPath(new URL(`../../${program}.js`, import.meta.url));
  return spawnSync(process.execPath, [file, ...flags], { encoding: 'utf8' });
}

t.test('the programs are those of the documents', (t) => {
  const documents = ['PERFORMANCE.md', 'tap.md'].map((name) =>
    readFileSync(new URL(`../../../docs/${name}`, import.meta.url), 'utf8'),
  );
  const named = documents.join('').matchAll(/dist\/(bench\/[\w/-]+)\.js/g);
  const programs = [...new Set([...named].map(([, program]) => program!))];
  t.ok(programs.length > 0);
  t.same(
    programs.filter((program) => !Object.hasOwn(PROGRAMS, program)),
    [],
  );
  t.end();
});

for (const [program, flags] of Object.entries(PROGRAMS)) {
  t.test(program, (t) => {
    const help = run(program, '--help');
    t.equal(help.status, 0);
    t.match(help.stdout, /^Usage: (npm run|node) /);
    for (const flag of flags) t.match(help.stdout, new RegExp(`^  ${flag}[ \n]`, 'm'));
    t.equal(help.stderr, '');
    for (const [wrong, said] of [
      ['--nonsense', /^error: unknown option '--nonsense'\n(\(Did you mean .*\?\)\n)?$/],
      ['nonsense', /^error: too many arguments\. Expected 0 arguments but got 1\.\n$/],
    ] as const) {
      const refused = run(program, wrong);
      t.equal(refused.status, 2);
      t.match(refused.stderr, said);
      t.equal(refused.stdout, '');
    }
    t.end();
  });
}

t.test('a value that cannot be meant', (t) => {
  for (const [program, flags, said] of WRONG) {
    const { status, stdout, stderr } = run(program, ...flags);
    t.equal(status, 2, `${program} ${flags.join(' ')}`);
    t.equal(stdout, '');
    t.match(stderr, `error: option '${flags[0]} `);
    t.match(stderr, `argument '${flags[1]}' is invalid. ${said}`);
    t.equal(stderr.trimEnd().split('\n').length, 1);
  }
  t.end();
});
