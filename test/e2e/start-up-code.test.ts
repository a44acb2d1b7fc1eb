/** A sidecar that has died is back as soon as its code is loaded, which is most of its start: it loads what it needs and no more. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { waitForLine } from '../support/processes.ts';
import { SIDEROUTE, temporaryDirectory } from '../support/sidecar.ts';
import { withoutUws } from '../support/uws-loads.ts';

const DIRECTORY = dirname(SIDEROUTE.at(-1)!);
const BUNDLE = '/dist/bin/';
/** By file of the bundle, the sources in it. */
const INPUTS = new Map(
  Object.entries(JSON.parse(readFileSync(join(DIRECTORY, 'inputs.json'), 'utf8')) as Record<string, string[]>),
);

/** Sources of the scripts that a process has run, which Node has written down. */
function sourcesIn(coverage: string): string[] {
  return readdirSync(coverage).flatMap((file) => {
    const { result } = JSON.parse(readFileSync(join(coverage, file), 'utf8')) as { result: { url: string }[] };
    return result.flatMap(({ url }) => INPUTS.get(url.slice(url.indexOf(BUNDLE) + BUNDLE.length)) ?? []);
  });
}

/** Of a sidecar by the time it is ready. */
async function loaded(...flags: readonly string[]): Promise<string[]> {
  const [routes, coverage] = [temporaryDirectory(), temporaryDirectory()];
  t.teardown(routes.remove);
  t.teardown(coverage.remove);
  const script = 'ip link set lo up && exec "$0" "$@"';
  const args = ['proxy', '--routes', routes.path, '--drain-timeout', '0s', ...flags];
  const sidecar = spawn('unshare', ['--net', 'sh', '-c', script, ...SIDEROUTE, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '', NODE_V8_COVERAGE: coverage.path },
  });
  t.teardown(() => sidecar.kill('SIGKILL'));
  await waitForLine(sidecar, /"message":"ready"/);
  sidecar.kill('SIGTERM');
  await once(sidecar, 'exit');
  return sourcesIn(coverage.path);
}

const OTHERS =
  /^src\/(?:inject|iptables|export|convert|controller|kube|webhook|traces)\/|^src\/proxy\/(?:traces|span-collector|taps)\.ts|^src\/admin\/tap-|^src\/(?:program|command-line)\.ts|^src\/engine\/uws\/uws-|^src\/observe\/exposition\.ts/;

t.test('the sidecar loads neither the other commands nor that of the engine that it does not run', async (t) => {
  const scripts = await loaded();
  t.ok(
    scripts.some((path) => path === 'src/proxy/proxy.ts'),
    `${scripts.length} scripts`,
  );
  t.same(
    scripts.filter((path) => OTHERS.test(path)),
    [],
  );
  t.same(
    scripts.filter((path) => path.startsWith('node_modules/')),
    [],
    'no library',
  );
});

/** Each of them takes half a megabyte of a sidecar, or drags in what does. */
const HEAVY = [
  'http',
  'https',
  'http2',
  'tls',
  'zlib',
  'child_process',
  'worker_threads',
  'internal/deps/undici/undici',
];

t.test('of Node it loads nothing that it does not use', async (t) => {
  const routes = temporaryDirectory();
  t.teardown(routes.remove);
  // A test gives its children the loader that it has itself, whatever `env` says; env(1) takes it away again.
  const script = 'ip link set lo up && exec env NODE_OPTIONS="$PRELOAD" "$0" "$@"';
  const preload = `data:text/javascript,import {writeSync} from 'node:fs';process.on('exit',()=>writeSync(1,process.moduleLoadList.join(';')))`;
  const args = ['proxy', '--routes', routes.path, '--drain-timeout', '0s'];
  const sidecar = spawn('unshare', ['--net', 'sh', '-c', script, ...SIDEROUTE, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PRELOAD: `--import "${preload}"` },
  });
  t.teardown(() => sidecar.kill('SIGKILL'));
  let output = '';
  sidecar.stdout.on('data', (piece: Buffer | string) => (output += String(piece)));
  await waitForLine(sidecar, /"message":"ready"/);
  sidecar.kill('SIGTERM');
  await once(sidecar, 'close');
  const modules = output.split(';');
  t.ok(modules.includes('NativeModule fs'), `${modules.length} modules`);
  // Where uWebSockets.js has no binary node:http serves the endpoints, and newer ones bring what starts processes.
  const served = withoutUws === false ? [] : ['http', 'child_process'];
  t.same(
    HEAVY.filter((name) => modules.includes(`NativeModule ${name}`) && !served.includes(name)),
    [],
  );
});

t.test('with the engine uws it loads what that stands on', { skip: withoutUws }, async (t) => {
  const scripts = await loaded('--engine', 'uws');
  t.ok(
    scripts.some((path) => path === 'src/engine/uws/uws-engine.ts'),
    `${scripts.length} scripts`,
  );
});

t.test('what convert is made of is loaded by convert alone', async (t) => {
  const isConvert = (path: string): boolean => path.startsWith('src/convert/');
  for (const [input, isLoaded] of [
    [['check', '-'], false],
    [['convert'], true],
  ] as const) {
    const coverage = temporaryDirectory();
    t.teardown(coverage.remove);
    const env = { ...process.env, NODE_OPTIONS: '', NODE_V8_COVERAGE: coverage.path };
    const [node, ...program] = SIDEROUTE;
    spawnSync(node, [...program, ...input], { env, input: 'kind: Pod\nmetadata: { name: x }\n' });
    const sources = sourcesIn(coverage.path);
    t.ok(sources.includes('src/command-line.ts'), `${sources.length} sources of ${input[0]}`);
    t.equal(sources.some(isConvert), isLoaded, input[0]);
  }
});
