/**
 * Instructions and allocations of the C++ code for a scripted exchange (native/test/cost/exchanges.cc). The number is
 * the same in every run, because no clock, other process or kernel takes part. Callgrind counts instructions in user
 * space.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { runCommand } from '../../test/support/cluster.ts';
import { callersOf, spentByFunction, total, type Spent } from './callgrind.ts';
import type { Figure } from './figures.ts';
import { root } from './root.ts';

/** The names in exchanges.cc. */
const EXCHANGES = ['get', 'browser-get', 'post', 'new-connection', 'call'] as const;
type Exchange = (typeof EXCHANGES)[number];

const COUNT = 1000;
const PROGRAM = join(root, 'native', 'test', 'build', 'exchanges');

function must(command: string, args: readonly string[]): string {
  const { status, stdout, stderr } = runCommand(command, args);
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${status}\n${stderr || stdout}`);
  return stdout;
}

export function build(): void {
  must('make', ['-s', '-j2', '-C', join(root, 'native', 'test'), 'exchanges']);
}

/** The counters of the heap, which exist only in this program. */
const IS_OF_THE_PROGRAM =
  /^(?:malloc|calloc|realloc|memalign|aligned_alloc|posix_memalign)$|^sideroute::(?:cost|test)::/;

/**
 * `own`: the addon and nghttp2. `libc`: the processor decides which functions copy and compare bytes, so their number
 * of instructions differs between machines.
 */
function kindOf({ object, name }: Spent): 'own' | 'libc' | 'program' {
  if (IS_OF_THE_PROGRAM.test(name)) return 'program';
  return /^(?:libc\.so|ld-linux|libm\.so|vgpreload)/.test(basename(object)) ? 'libc' : 'own';
}

/** Callgrind's report of COUNT exchanges. */
function report(exchange: Exchange): string {
  const directory = mkdtempSync(join(tmpdir(), 'sideroute-guard-'));
  try {
    const file = join(directory, 'callgrind.out');
    must('valgrind', [
      ...['-q', '--tool=callgrind', `--callgrind-out-file=${file}`, '--compress-strings=no', '--compress-pos=no'],
      ...['--collect-atstart=no', '--toggle-collect=sideroute::cost::Measured*'],
      ...[PROGRAM, exchange, String(COUNT)],
    ]);
    return readFileSync(file, 'utf8');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function count(exchange: Exchange): Spent[] {
  const text = report(exchange);
  const spent = spentByFunction(text);
  const sum = spent.reduce((before, { instructions }) => before + instructions, 0);
  if (sum === 0 || sum !== total(text)) throw new Error(`callgrind counted ${total(text)}, its functions have ${sum}`);
  return spent;
}

const sumOf = (spent: readonly Spent[], kind: string): number =>
  spent.filter((each) => kindOf(each) === kind).reduce((sum, { instructions }) => sum + instructions, 0) / COUNT;

export function instructions(): Figure[] {
  return EXCHANGES.flatMap((exchange): Figure[] => {
    const spent = count(exchange);
    const figure = { unit: 'instructions per exchange', dependsOn: 'processor' } as const;
    return [
      { ...figure, name: `instructions/${exchange}`, value: sumOf(spent, 'own'), tolerance: 0.1 },
      { ...figure, name: `instructions/${exchange}/libc`, value: sumOf(spent, 'libc'), tolerance: 0.5 },
    ];
  });
}

const line = (value: number, text: string): string => `${value.toFixed(1).padStart(10)}  ${text}`;

function named(exchange: string): Exchange {
  const found = EXCHANGES.find((name) => name === exchange);
  if (found === undefined) throw new Error(`no exchange ${exchange}: there are ${EXCHANGES.join(', ')}`);
  return found;
}

export function showInstructions(exchange: string): string {
  const spent = count(named(exchange));
  return [
    line(sumOf(spent, 'own'), `instructions per exchange: ${exchange}`),
    line(sumOf(spent, 'libc'), 'in libc'),
    ...spent
      .filter((each) => kindOf(each) !== 'program' && each.instructions >= COUNT / 10)
      .map((each) => line(each.instructions / COUNT, `${each.name}  [${basename(each.object)}]`)),
  ].join('\n');
}

function allocationsOf(exchange: Exchange): { allocations: number; bytes: number } {
  return JSON.parse(must(PROGRAM, [exchange, String(COUNT)])) as { allocations: number; bytes: number };
}

export function allocations(): Figure[] {
  return EXCHANGES.flatMap((exchange): Figure[] => {
    const { allocations: made, bytes } = allocationsOf(exchange);
    const figure = { dependsOn: 'processor', tolerance: 0.1 } as const;
    return [
      { ...figure, name: `allocations/${exchange}`, value: made / COUNT, unit: 'allocations per exchange' },
      { ...figure, name: `allocations/${exchange}/bytes`, value: bytes / COUNT, unit: 'bytes per exchange' },
    ];
  });
}

/** The callers that allocate memory, from callgrind's calls. */
export function showAllocations(exchange: string): string {
  const { allocations: made, bytes } = allocationsOf(named(exchange));
  const callers = callersOf(report(named(exchange)), /^(?:malloc|calloc|realloc|memalign|operator new.*)$/);
  return [
    line(made / COUNT, `allocations per exchange: ${exchange}`),
    line(bytes / COUNT, 'bytes'),
    ...callers.map(({ caller, callee, calls }) => line(calls / COUNT, `${caller}: ${callee}`)),
  ].join('\n');
}
