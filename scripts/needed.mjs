/**
 * What a machine needs for the demo, the tests, the benchmark, the guard of figures, the cluster, the fuzzers and the
 * test of the images. A module of the tests that runs a program of `NEEDED.test` or `BUILT`, or has one run with
 * packages of `PYTHON`, says so in a line of its own, `// Needs: NAME, NAME.` If test files are run by name, only what
 * the modules they import need is installed.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/** Programs and their Debian packages; everything else also needs what the demo needs. */
export const NEEDED = {
  demo: {
    'g++': 'g++',
    make: 'make',
    python3: 'python3',
    ip: 'iproute2',
    iptables: 'iptables',
    curl: 'curl',
    setpriv: 'util-linux',
    sysctl: 'procps',
  },
  test: {
    strace: 'strace',
    conntrack: 'conntrack',
    nginx: 'nginx-light',
    haproxy: 'haproxy',
    ab: 'apache2-utils',
    pip3: 'python3-pip',
    // Used in the documents and by the scenario's servers.
    jq: 'jq',
    // The shells that `sideroute completion` supports.
    zsh: 'zsh',
    fish: 'fish',
    busybox: 'busybox-static',
    // 95 MB, of which the tests use only the two programs.
    prometheus: 'prometheus',
    promtool: 'prometheus',
    chromium: 'chromium',
  },
  guard: {
    // With it, functions of libc have names in the reports.
    valgrind: 'valgrind libc6-dbg',
    strace: 'strace',
    haproxy: 'haproxy',
    nginx: 'nginx-light',
    wrk: 'wrk',
    taskset: 'util-linux',
  },
  // Installed only for the chosen proxies and cells.
  bench: {
    taskset: 'util-linux',
    nginx: 'nginx-light',
    '/usr/lib/nginx/modules/ngx_stream_module.so': 'libnginx-mod-stream',
    haproxy: 'haproxy',
    h2load: 'nghttp2-client',
    nghttpd: 'nghttp2-server',
    nghttpx: 'nghttp2-proxy',
  },
  // Without the demo's programs: what builds the addon.
  package: { 'g++': 'g++', make: 'make', python3: 'python3', strip: 'binutils' },
  // Without the demo's programs, and of exactly one version, because the next one breaks lines elsewhere.
  lint: { 'clang-format-14': 'clang-format-14' },
  fuzz: { 'clang++-14': 'clang-14 libclang-rt-14-dev' },
  // A Kubernetes node; all other parts are built.
  cluster: {
    containerd: 'containerd',
    runc: 'runc',
    '/usr/lib/cni/bridge': 'containernetworking-plugins',
    nsenter: 'util-linux',
    conntrack: 'conntrack',
    // For building the images.
    strip: 'binutils',
    setcap: 'libcap2-bin',
    openssl: 'openssl',
    busybox: 'busybox-static',
  },
  images: {
    podman: 'podman',
    runc: 'runc',
    catatonit: 'catatonit',
    debootstrap: 'debootstrap',
    strip: 'binutils',
    setcap: 'libcap2-bin',
  },
};

/** Programs of the tests that Debian does not have; built from their Go modules if Go is installed. */
export const BUILT = {
  helm: { module: 'helm.sh/helm/v3/cmd/helm', version: 'v3.18.6' },
  h2spec: { module: 'github.com/summerwind/h2spec/cmd/h2spec', version: 'v2.2.1+incompatible' },
  'grpc-interop-client': { module: 'google.golang.org/grpc/interop/client', version: 'v1.85.0' },
  'grpc-interop-server': { module: 'google.golang.org/grpc/interop/server', version: 'v1.85.0' },
};

/** Python packages of the tests, each in a folder for PYTHONPATH; installed if pip exists. */
export const PYTHON = {
  'python-grpc': [
    'grpcio==1.85.1',
    'grpcio-tools==1.85.1',
    'grpcio-health-checking==1.85.1',
    'grpcio-reflection==1.85.1',
  ],
};

/**
 * The source of a compiled test, which may be named by either; null: what is named is not a test of this tree.
 * @param {string} file
 */
function sourceOf(file) {
  const source = relative(root, resolve(file))
    .replace(/^dist\//, '')
    .replace(/\.js$/, '.ts');
  return /^test\/.*\.ts$/.test(source) && existsSync(join(root, source)) ? join(root, source) : null;
}

/** The modules that a test source imports or runs. */
function* neighboursOf(source, text) {
  for (const [, path] of text.matchAll(/(?:from|import) '(\.[^']+\.ts)'/g)) yield resolve(dirname(source), path);
  for (const [, path] of text.matchAll(/new URL\('(\.[^']+)\.js'/g)) yield resolve(dirname(source), `${path}.ts`);
  for (const [, name] of text.matchAll(/[fF]ixture\([^'()]*'([\w-]+)'/g))
    yield join(root, 'test', 'support', 'fixtures', `${name}.ts`);
}

/**
 * The programs, beside those of the demo, that these test files run; null: it cannot be told.
 * @param {string[]} files sources of tests, or what was compiled from them
 * @returns {Set<string> | null}
 */
export function programsOf(files) {
  const waiting = files.map(sourceOf);
  if (waiting.includes(null)) return null;
  const seen = new Set();
  const programs = new Set();
  for (let source = waiting.pop(); source !== undefined; source = waiting.pop()) {
    if (seen.has(source) || !source.startsWith(join(root, 'test')) || !existsSync(source)) continue;
    seen.add(source);
    const text = readFileSync(source, 'utf8');
    for (const [, names] of text.matchAll(/^\/\/ Needs: (.*)\.$/gm))
      for (const name of names.split(', ')) programs.add(name);
    waiting.push(...neighboursOf(source, text));
  }
  return programs;
}
