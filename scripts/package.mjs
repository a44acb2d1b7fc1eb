/**
 * `npm run package [-- DIRECTORY]`: makes sideroute-VERSION.tgz, which `npm install --global` installs without a compiler, without a registry
 * and without anything that runs at the install.
 *
 * In it are the bundle, with all libraries that commands use, and the native addon of the machine that this runs on, which `proxy`
 * loads, where it fits; its package.json says which machines that are (`src/addon/packed.ts`). uWebSockets.js is not in it: it is larger
 * than everything else together, and the endpoints of a proxy are served without it as well. Stage before: `prepare.mjs`, which builds.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { prepare, root } from './prepare.mjs';

const into = resolve(process.argv[2] ?? root);

prepare('package');

const stage = mkdtempSync(join(tmpdir(), 'sideroute-package-'));
process.once('exit', () => rmSync(stage, { recursive: true, force: true }));
const packed = (...path) => join(stage, ...path);

run(process.execPath, ['scripts/bundle.mjs', '--package', '--into', packed('dist', 'bin'), '--commit', commit()]);
cpSync(join(root, 'dist', 'page'), packed('dist', 'page'), { recursive: true });
const DOCUMENTS = ['README.md', 'CHANGELOG.md', 'LICENSE'];
for (const name of DOCUMENTS) copyFileSync(join(root, name), packed(name));
// The addon where it is looked for, stripped, because nine tenths of it are debug information.
const addon = join('native', 'build', 'Release', 'sideroute.node');
mkdirSync(dirname(packed(addon)), { recursive: true });
run('strip', ['-o', packed(addon), join(root, addon)]);

const { name, version, description, license, engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const program = 'dist/bin/sideroute.js';
const manifest = {
  ...{ name, version, description, license, engines },
  // By the other names kubectl finds `kubectl sideroute` and its completion.
  bin: {
    ...{ sideroute: program, 'kubectl-sideroute': program },
    'kubectl_complete-sideroute': 'dist/bin/kubectl-complete.js',
  },
  files: ['dist', 'native', ...DOCUMENTS],
  addon: machinesOf(readFileSync(packed(addon), 'latin1')),
};
writeFileSync(packed('package.json'), `${JSON.stringify(manifest, null, 2)}\n`);

mkdirSync(into, { recursive: true });
const file = run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', into], { cwd: stage });
process.stdout.write(`${join(into, file)}\n`);

/** Runs a command and returns its output. */
function run(command, args, options = {}) {
  const { status, stdout, error } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    ...options,
  });
  if (status === 0) return stdout.trim();
  process.stderr.write(`package: ${command} ${args.join(' ')} failed: ${error?.message ?? `exit ${status}`}\n`);
  process.exit(1);
}

/** The commit of the clone, with `-dirty` if files were changed; empty if git does not know. */
function commit() {
  if (!existsSync(join(root, '.git'))) return '';
  const git = (...args) => spawnSync('git', args, { cwd: root, encoding: 'utf8' });
  const head = git('rev-parse', 'HEAD');
  const changes = git('status', '--porcelain', '--untracked-files=no');
  if (head.status !== 0 || changes.status !== 0) return '';
  return `${head.stdout.trim()}${changes.stdout === '' ? '' : '-dirty'}`;
}

/**
 * The machines that an addon built here can be loaded on: the newest glibc version it needs a symbol of is in its text.
 */
function machinesOf(binary) {
  const needed = [...binary.matchAll(/GLIBC_(\d+)\.(\d+)/g)].map(([, major, minor]) => [Number(major), Number(minor)]);
  const glibc = needed.sort((a, b) => b[0] - a[0] || b[1] - a[1])[0]?.join('.');
  const gyp = readFileSync(join(root, 'native', 'binding.gyp'), 'utf8');
  const nodeApi = Number(/NAPI_VERSION=(\d+)/.exec(gyp)[1]);
  return { platform: process.platform, arch: process.arch, ...(glibc === undefined ? {} : { glibc }), nodeApi };
}
