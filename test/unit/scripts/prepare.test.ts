/**
 * What is prepared for tests: programs that they build for themselves and packages of Python, once, where Go and pip are there, and never a failure; for a file by itself
 * the programs that it runs, and no others.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { program, ROOT } from '../../support/manifests.ts';
import { temporaryDirectory } from '../../support/sidecar.ts';
import { matches } from '../../support/match.ts';

/** A machine without helm; `go` is what Go does on it, null: it has none; `python` the same for Python. */
function machine(t: Test, go: string | null, python: string | null = null) {
  const { path, remove } = temporaryDirectory();
  t.teardown(remove);
  const bin = join(path, 'bin');
  mkdirSync(bin);
  for (const [name, does] of Object.entries({ go, python3: python })) {
    if (does === null) continue;
    writeFileSync(join(bin, name), `#!/bin/sh\necho "$@" >> ${path}/${name}.log\n${does}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  const cache = join(path, 'cache', 'sideroute', 'bin');
  const run = (call = "builtPrograms(['helm'])") => {
    const script = `import(${JSON.stringify(join(ROOT, 'scripts', 'prepare.mjs'))}).then((p) => p.${call})`;
    const env = { PATH: bin, XDG_CACHE_HOME: join(path, 'cache') };
    const { status, stderr } = spawnSync(process.execPath, ['-e', script], { env, encoding: 'utf8' });
    return { status, stderr };
  };
  const calls = (name = 'go') => {
    const log = join(path, `${name}.log`);
    return existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : [];
  };
  return { run, calls, cache, bin };
}

/** A build that succeeds. */
const BUILDS = 'echo helm > "$GOBIN/helm"';

t.test('helm is built once, and again for another version', async (t) => {
  const { run, calls, cache } = machine(t, BUILDS);
  t.match(run(), { status: 0, stderr: /^prepare: building helm v3\./ });
  t.equal(readFileSync(join(cache, 'helm'), 'utf8'), 'helm\n');
  matches(t, calls(), [/^install helm\.sh\/helm\/v3\/cmd\/helm@v3\.[\d.]+$/]);
  t.same(run(), { status: 0, stderr: '' });
  writeFileSync(join(cache, 'helm.version'), 'v3.0.0');
  t.equal(run().status, 0);
  t.equal(calls().length, 2);
});

t.test('a helm on the PATH is taken', async (t) => {
  const { run, calls, bin } = machine(t, BUILDS);
  writeFileSync(join(bin, 'helm'), '#!/bin/sh\n');
  chmodSync(join(bin, 'helm'), 0o755);
  t.same(run(), { status: 0, stderr: '' });
  t.same(calls(), []);
});

t.test('without Go, and where the build fails, a line says that tests are skipped', async (t) => {
  const none = {
    status: 0,
    stderr: 'prepare: neither helm nor Go to build it with is on the PATH: the tests that need helm are skipped\n',
  };
  t.same(machine(t, null).run(), none);
  const { run, cache } = machine(t, 'echo no proxy >&2; exit 1');
  t.match(run(), {
    status: 0,
    stderr: /no proxy\nprepare: helm cannot be built: the tests that need helm are skipped\n$/,
  });
  t.notOk(existsSync(join(cache, 'helm')));
  t.notOk(existsSync(join(cache, 'helm.building')));
});

t.test('of two runs at a time one builds', async (t) => {
  const { run, calls, cache } = machine(t, BUILDS);
  mkdirSync(join(cache, 'helm.building'), { recursive: true });
  t.match(run(), { status: 0, stderr: /being built by another run/ });
  t.same(calls(), []);
  rmSync(join(cache, 'helm.building'), { recursive: true });
  t.equal(run().status, 0);
  t.ok(existsSync(join(cache, 'helm')));
});

t.test(
  'packages of Python are installed once for each version of it; without pip, a line says that tests are skipped',
  async (t) => {
    const install = "pythonPackages(['python-grpc'])";
    const pip = `case $1 in
    -c) echo "$(/bin/cat version 2> /dev/null || echo cpython-311)" ;;
    *) while [ "$1" != --target ]; do shift; done; /bin/mkdir "$2" && echo grpcio > "$2/modules" ;;
  esac`;
    const { run, calls, cache, bin } = machine(t, null, `cd \${0%/*}; ${pip}`);
    t.match(run(install), { status: 0, stderr: /^prepare: installing grpcio==[\d.]+ .*\n$/ });
    t.equal(readFileSync(join(cache, 'python-grpc', 'modules'), 'utf8'), 'grpcio\n');
    t.same(run(install), { status: 0, stderr: '' });
    const installed = () => calls('python3').filter((line) => line.startsWith('-m pip install ')).length;
    t.equal(installed(), 1);
    writeFileSync(join(bin, 'version'), 'cpython-313\n');
    t.equal(run(install).status, 0);
    t.equal(installed(), 2);
    t.same(machine(t, null, 'exit 1').run(install), {
      status: 0,
      stderr: 'prepare: python3 has no pip: the tests that need python-grpc are skipped\n',
    });
  },
);

/** `prepare('test', files)` where only the programs of the demo are on the PATH, and nothing can be installed. */
function prepareOnBareMachine(t: Test, files: readonly string[]) {
  const { path, remove } = temporaryDirectory();
  t.teardown(remove);
  for (const name of ['g++', 'make', 'python3', 'ip', 'iptables', 'curl', 'setpriv', 'sysctl'])
    symlinkSync(program(name)!, join(path, name));
  const module = JSON.stringify(join(ROOT, 'scripts', 'prepare.mjs'));
  const script = `import(${module}).then((p) => p.prepare('test', ${JSON.stringify(files)}))`;
  const { status, stderr } = spawnSync(process.execPath, ['-e', script], { env: { PATH: path }, encoding: 'utf8' });
  return { status, stderr };
}

t.test('a test file needs the programs that it and its modules run, and no others', async (t) => {
  t.same(prepareOnBareMachine(t, ['test/unit/slices.test.ts']), { status: 0, stderr: '' });
  t.same(prepareOnBareMachine(t, ['dist/test/unit/slices.test.js']), { status: 0, stderr: '' });
  for (const files of [
    ['dist/test/e2e/admin-page.test.js'],
    ['test/unit/slices.test.ts', 'test/e2e/admin-page.test.ts'],
  ])
    t.match(prepareOnBareMachine(t, files), { status: 1, stderr: /^prepare: missing: chromium\n/ });
  t.match(prepareOnBareMachine(t, []), { status: 1, stderr: /^prepare: missing: .*jq, .*prometheus, chromium\n/ });
});

t.test('what a module of the tests runs, it names among what it needs', async (t) => {
  const optional = 'strace|conntrack|nginx|haproxy|ab|jq|busybox|prometheus|promtool|chromium|helm';
  const runs = new RegExp(`(?:spawn|spawnSync|run|must|program)\\(\\s*\\[?\\s*'(${optional})'`, 'g');
  let found = 0;
  for (const file of readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts') || file.startsWith('cluster/')) continue;
    const text = readFileSync(join(ROOT, 'test', file), 'utf8');
    for (const [, name] of text.matchAll(runs)) {
      found++;
      const needs = /^\/\/ Needs: (.*)\.$/m.exec(text)?.[1]?.split(', ') ?? [];
      t.ok(needs.includes(name!), `${file}: ${name}`);
    }
  }
  t.ok(found > 8, 'commands are recognised');
});
