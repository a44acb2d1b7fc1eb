/**
 * The programs of the test cluster, built from their Go modules below this directory into the user's cache: once for all clones, and again
 * when a module or a source of it changes. The first build takes minutes, and says every few seconds what it is at.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { say } from './say.ts';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
const MODULES = join(ROOT, 'test', 'cluster');

export const KUBERNETES_VERSION = '1.36.1';
export const GATEWAY_API_VERSION = 'v1.7.0';
/** What the module of the suite asks for; the Go command fetches it by itself as a module. */
const SUITE_TOOLCHAIN = 'go1.27.3';

/** Where built programs and images are kept. */
export const CACHE = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'sideroute', 'cluster');

interface Recipe {
  /** Directory of the module. */
  readonly module: string;
  /** Arguments of `go`, without -o. */
  readonly go: readonly string[];
  readonly toolchain?: string;
  /** On two free cores with nothing in Go's own caches. */
  readonly coldMinutes: number;
}

function versionFlags(): string {
  const [major, minor] = KUBERNETES_VERSION.split('.');
  const values = {
    gitVersion: `v${KUBERNETES_VERSION}`,
    gitMajor: major,
    gitMinor: minor,
    gitTreeState: 'clean',
  };
  return ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version']
    .flatMap((name) => Object.entries(values).map(([key, value]) => `-X ${name}.${key}=${value}`))
    .join(' ');
}

const KUBERNETES_TAGS = ['-tags', 'providerless,selinux'];

const RECIPES = {
  /** etcd, the control plane, kubelet, kube-proxy and kubectl: the first argument picks one. */
  components: {
    module: 'kubernetes',
    go: ['build', ...KUBERNETES_TAGS, '-ldflags', `-s -w ${versionFlags()}`, './components'],
    coldMinutes: 7,
  },
  coredns: {
    module: 'kubernetes',
    go: ['build', ...KUBERNETES_TAGS, '-ldflags', '-s -w', './coredns'],
    coldMinutes: 1,
  },
  pause: { module: 'kubernetes', go: ['build', '-ldflags', '-s -w', './pause'], coldMinutes: 1 },
  'echo-server': {
    module: 'echo',
    go: ['build', '-ldflags', '-s -w', 'istio.io/istio/pkg/test/echo/cmd/server'],
    coldMinutes: 2,
  },
  'echo-client': {
    module: 'echo',
    go: ['build', '-ldflags', '-s -w', 'istio.io/istio/pkg/test/echo/cmd/client'],
    coldMinutes: 1,
  },
  /** The official conformance tests. */
  suite: {
    module: 'suite',
    go: ['test', '-c', '-ldflags', '-s -w', '.'],
    toolchain: SUITE_TOOLCHAIN,
    coldMinutes: 3,
  },
  /** Judges a report as the Gateway API does. */
  'report-check': {
    module: 'suite',
    go: ['build', '-ldflags', '-s -w', './check'],
    toolchain: SUITE_TOOLCHAIN,
    coldMinutes: 1,
  },
} satisfies Record<string, Recipe>;

export type ProgramName = keyof typeof RECIPES;

function* sourcesBelow(directory: string): Generator<string> {
  const entries = readdirSync(directory, { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* sourcesBelow(path);
    else if (/\.go$|^go\.(mod|sum)$/.test(entry.name)) yield path;
  }
}

function goVersion(): string {
  const found = spawnSync('go', ['env', 'GOVERSION'], { encoding: 'utf8', cwd: '/' });
  if (found.status !== 0)
    throw new Error('the test cluster is built with Go, which is not on the PATH (1.26 or later is needed)');
  return found.stdout.trim();
}

function keyOf(recipe: Recipe): string {
  const hash = createHash('sha256').update(JSON.stringify(recipe)).update(process.arch);
  hash.update(recipe.toolchain ?? goVersion());
  const directory = join(MODULES, recipe.module);
  for (const file of sourcesBelow(directory))
    hash.update(file.slice(directory.length)).update('\0').update(readFileSync(file));
  return hash.digest('hex').slice(0, 16);
}

/** Runs `go` and says every 15 seconds that it still does. */
async function go(what: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Promise<string> {
  const started = performance.now();
  const seconds = () => `${Math.round((performance.now() - started) / 1000)} s`;
  const child = spawn('go', args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  // Modules that it downloads are named as they come, a sign of life of the minutes before the compiler starts.
  let downloading = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
    downloading = /go: downloading (.*)/.exec(text)?.[1] ?? downloading;
  });
  const progress = setInterval(() => {
    say(`${what}: ${seconds()}${downloading === '' ? '' : `, last downloaded: ${downloading}`}`);
  }, 15_000);
  const stop = () => child.kill('SIGKILL');
  process.once('exit', stop);
  try {
    const status = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    if (status !== 0) throw new Error(`go ${args.join(' ')} in ${cwd} failed:\n${(errors || output).slice(-4000)}`);
  } finally {
    clearInterval(progress);
    process.off('exit', stop);
  }
  return output;
}

/** Whoever holds it renews it while it works: a lock that has not been touched for a minute is of a process that died. */
const LOCK_IS_STALE_MS = 60_000;

/** Makes `path` of what `make` leaves in the file it is given, unless it exists; of several processes one makes it, the others wait. */
export async function madeOnce(path: string, what: string, make: (into: string) => Promise<void>): Promise<string> {
  mkdirSync(dirname(path), { recursive: true });
  const lock = `${path}.lock`;
  const started = performance.now();
  for (let saidAt = -Infinity; !existsSync(path);) {
    try {
      mkdirSync(lock);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (existsSync(lock) && Date.now() - statSync(lock).mtimeMs > LOCK_IS_STALE_MS)
        rmSync(lock, { recursive: true, force: true });
      if (performance.now() - saidAt > 15_000) {
        saidAt = performance.now();
        say(`waiting for another run that makes ${what}: ${Math.round((saidAt - started) / 1000)} s`);
      }
      await delay(500);
      continue;
    }
    const renew = setInterval(() => spawnSync('touch', [lock]), 10_000);
    const directory = mkdtempSync(join(dirname(path), '.making-'));
    try {
      // Another may have made it between the look and the lock.
      if (!existsSync(path)) {
        await make(join(directory, 'made'));
        renameSync(join(directory, 'made'), path);
      }
    } finally {
      clearInterval(renew);
      rmSync(directory, { recursive: true, force: true });
      rmSync(lock, { recursive: true, force: true });
    }
  }
  return path;
}

/** Path of the built program. */
export async function program(name: ProgramName): Promise<string> {
  const recipe: Recipe = RECIPES[name];
  return await madeOnce(join(CACHE, 'programs', `${name}-${keyOf(recipe)}`), name, async (into) => {
    say(`building ${name}, once: up to ${recipe.coldMinutes} minutes on two free cores`);
    const started = performance.now();
    const [command, ...rest] = recipe.go;
    await go(`building ${name}`, [command!, '-trimpath', '-o', into, ...rest], join(MODULES, recipe.module), {
      CGO_ENABLED: '0',
      GOFLAGS: '-buildvcs=false',
      ...(recipe.toolchain === undefined ? {} : { GOTOOLCHAIN: recipe.toolchain }),
    });
    say(`built ${name} in ${Math.round((performance.now() - started) / 1000)} s`);
  });
}

/** Directory of the CustomResourceDefinitions of the Gateway API, its experimental channel. */
export async function gatewayApiDefinitions(): Promise<string> {
  return await madeOnce(
    join(CACHE, `crds-${GATEWAY_API_VERSION}`),
    'the definitions of the Gateway API',
    async (into) => {
      const module = `sigs.k8s.io/gateway-api@${GATEWAY_API_VERSION}`;
      const found = await go(`downloading ${module}`, ['mod', 'download', '-json', module], '/', {
        GOFLAGS: '',
        GOTOOLCHAIN: SUITE_TOOLCHAIN,
      });
      const { Dir: directory } = JSON.parse(found) as { Dir: string };
      cpSync(join(directory, 'config', 'crd', 'experimental'), into, { recursive: true });
    },
  );
}

/** Builds everything that a size of cluster needs. One after the other: Go's compiler uses all processors by itself. */
export async function buildPrograms(size: 'api' | 'node' | 'all'): Promise<void> {
  await gatewayApiDefinitions();
  await program('components');
  if (size === 'api') return;
  for (const name of ['pause', 'coredns'] as const) await program(name);
  if (size === 'node') return;
  for (const name of ['echo-server', 'echo-client', 'suite', 'report-check'] as const) await program(name);
}
