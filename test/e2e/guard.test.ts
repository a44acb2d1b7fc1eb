/**
 * The guard fails on a regression of each kind that it is there for, planted in a copy of the repository, and names it and the command that
 * shows it. Building and measuring each takes minutes: with SIDEROUTE_FULL=1.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { repositoryCopy } from '../support/docs/places.ts';

interface Plant {
  readonly what: string;
  /** Each file with the text that the plant follows there, null: at its end; and the plant. */
  readonly edits: readonly (readonly [file: string, after: string | null, plant: string])[];
  readonly measure: string;
  readonly worse: readonly string[];
}

const EXCHANGE = 'native/src/exchange/exchange.cc';
/** Of an exchange that begins. */
const CLEARED = '  decision_ = Decision{};\n';
const PROXY = 'src/proxy/proxy.ts';

const PLANTS: readonly Plant[] = [
  {
    what: 'a system call before each that receives',
    edits: [
      [
        'native/src/net/syscalls.h',
        '#else\n\ninline ssize_t Receive(int fd, void* buffer, size_t size, int flags) {\n',
        '  syscall(SYS_getppid);\n',
      ],
    ],
    measure: 'calls',
    worse: ['calls/get', 'calls/new-connection'],
  },
  {
    what: 'an allocation in each exchange',
    edits: [[EXCHANGE, CLEARED, "  static std::string planted;\n  std::string(64, 'x').swap(planted);\n"]],
    measure: 'allocations',
    worse: ['allocations/get', 'allocations/post', 'allocations/call'],
  },
  {
    what: 'a loop in each exchange',
    edits: [[EXCHANGE, CLEARED, '  for (int i = 0; i < 500; ++i) asm volatile("");\n']],
    measure: 'instructions',
    worse: ['instructions/get', 'instructions/post', 'instructions/new-connection'],
  },
  {
    what: 'an allocation in each decision',
    edits: [
      [
        'src/routing/decide.ts',
        'head: RequestHead): Decision {\n',
        "  (globalThis as Record<string, unknown>)['planted'] = [frontendId];\n",
      ],
    ],
    measure: 'decisions',
    worse: ['decisions/prefix-paths', 'decisions/exact-paths', 'decisions/one-header'],
  },
  {
    what: 'memory that is kept, work at the start, and a timer',
    edits: [
      [PROXY, null, "(globalThis as Record<string, unknown>)['planted'] = Buffer.alloc(4 * 1024 * 1024, 1);\n"],
      [PROXY, null, 'for (const end = process.cpuUsage().user + 300_000; process.cpuUsage().user < end; );\n'],
      [PROXY, null, 'setInterval(() => undefined, 5).unref();\n'],
    ],
    measure: 'idle',
    worse: ['idle/private-memory', 'idle/start', 'idle/wake-ups'],
  },
  {
    what: 'processor time in each exchange',
    edits: [[EXCHANGE, CLEARED, '  for (int i = 0; i < 60\'000; ++i) asm volatile("");\n']],
    measure: 'haproxy',
    worse: ['haproxy/get'],
  },
];

/** Plants, and returns what takes it out again. */
function plant(t: Test, directory: string, edits: Plant['edits']): () => void {
  const before = new Map<string, string>();
  for (const [file, after, text] of edits) {
    const path = join(directory, file);
    const source = readFileSync(path, 'utf8');
    if (!before.has(path)) before.set(path, source);
    if (after !== null) t.ok(source.includes(after), `${file} has the place`);
    writeFileSync(path, after === null ? `${source}${text}` : source.replace(after, () => `${after}${text}`));
  }
  return () => {
    for (const [path, source] of before) writeFileSync(path, source);
  };
}

const FULL = process.env['SIDEROUTE_FULL'] === '1';
t.setTimeout(FULL ? 1_800_000 : 30_000);

t.test(
  'a planted regression',
  { skip: FULL ? false : 'takes minutes: SIDEROUTE_FULL=1', timeout: 1_800_000 },
  async (t) => {
    const copy = repositoryCopy();
    t.teardown(() => copy.close());
    for (const { what, edits, measure, worse } of PLANTS) {
      await t.test(what, async (t) => {
        const takeOut = plant(t, copy.directory, edits);
        t.teardown(takeOut);
        const { status, stdout, stderr } = await copy.run(`npm run -s guard -- --only ${measure}`);
        t.comment(stdout);
        t.equal(status, 1, stderr);
        for (const name of worse)
          t.ok(
            stdout
              .split('\n')
              .some((line) => line.startsWith(`${name} `) && line.endsWith(`  WORSE  npm run guard -- --show ${name}`)),
            name,
          );
      });
    }
  },
);
