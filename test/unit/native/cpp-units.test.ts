/**
 * The parts of the addon by themselves, on scripted sockets, files and clocks: builds the unit tests of native/test/ with AddressSanitizer
 * and UndefinedBehaviorSanitizer, runs them, and passes every line of their TAP on as an assertion. A crash is a failure.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';

/** The repository's root: the tests run from dist/, which has no native/. */
function findRoot(from: string): string {
  return existsSync(join(from, 'native', 'test', 'Makefile')) ? from : findRoot(dirname(from));
}

interface Assertion {
  readonly ok: boolean;
  readonly title: string;
  /** What the test said about a failure. */
  readonly detail: string;
}

/** Reads the assertions of a TAP stream; `planned` is null without a plan, which is how a crash shows. */
function readTap(output: string): { readonly planned: number | null; readonly assertions: Assertion[] } {
  const assertions: Assertion[] = [];
  let planned: number | null = null;
  let detail: string[] = [];
  for (const line of output.split('\n')) {
    const point = /^(not )?ok \d+ - (.*)$/.exec(line);
    const plan = /^1\.\.(\d+)$/.exec(line);
    if (point) {
      detail = [];
      assertions.push({ ok: point[1] === undefined, title: point[2]!.replaceAll('\\#', '#'), detail: '' });
    } else if (plan) {
      planned = Number(plan[1]);
    } else if (line.startsWith('  ') && assertions.length > 0) {
      detail.push(line.trim());
      assertions.push({ ...assertions.pop()!, detail: detail.join('\n') });
    }
  }
  return { planned, assertions };
}

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] });
    t.teardown(() => child.kill('SIGKILL'));
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, stdout, stderr }));
  });
}

const directory = join(findRoot(import.meta.dirname), 'native', 'test');

// Compiling takes a while on a busy machine; the tests themselves take a second.
// All of the C++ is compiled with sanitizers first, beside another test.
t.setTimeout(900_000);

t.test('parts of the addon under AddressSanitizer and UndefinedBehaviorSanitizer', async (t) => {
  const build = await run('make', ['-j2', 'all'], process.env);
  t.equal(build.status, 0, 'the C++ tests build without a warning', build.status === 0 ? {} : { stderr: build.stderr });
  if (build.status !== 0) return;
  for (const program of ['unit-tests', 'stream-tests']) {
    // A preloaded allocator of this process must not reach the sanitizers.
    const tests = await run(join(directory, 'build', program), [], {
      ...process.env,
      LD_PRELOAD: '',
      ASAN_OPTIONS: 'detect_leaks=1',
      UBSAN_OPTIONS: 'print_stacktrace=1',
    });
    const { planned, assertions } = readTap(tests.stdout);
    for (const { ok, title, detail } of assertions) t.ok(ok, title, ok ? {} : { detail });
    t.equal(planned, assertions.length, `${program} ran to their end`);
    t.equal(tests.status, 0, 'no sanitizer complained', tests.status === 0 ? {} : { stderr: tests.stderr });
  }
});
