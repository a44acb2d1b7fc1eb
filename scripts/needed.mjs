/**
 * What has to be on a machine for the demo, the tests, the benchmark, the guard of figures, the cluster, the fuzzers and the test of the images. A module of
 * the tests that runs a program of `NEEDED.test` or `BUILT`, or has one run with what is in `PYTHON`, says so in a line of its own, `// Needs: NAME, NAME.`; a test file by itself asks for those of the
 * modules that it imports.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/** Program to Debian packages; what the demo needs, everything else needs as well. */
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
    // What the documents and the scenario's servers use.
    jq: 'jq',
    // What `sideroute completion` is for.
    zsh: 'zsh',
    fish: 'fish',
    busybox: 'busybox-static',
    // 95 MB, of which the tests use the two programs.
    prometheus: 'prometheus',
    promtool: 'prometheus',
    chromium: 'chromium',
  },
  guard: {
    // The functions of libc have names with it.
    valgrind: 'valgrind libc6-dbg',
    strace: 'strace',
    haproxy: 'haproxy',
    nginx: 'nginx-light',
    wrk: 'wrk',
    taskset: 'util-linux',
  },
  // Those of its programs that the proxies and cells that were asked for take.
  bench: {
    taskset: 'util-linux',
    nginx: 'nginx-light',
    '/usr/lib/nginx/modules/ngx_stream_module.so': 'libnginx-mod-stream',
    haproxy: 'haproxy',
    h2load: 'nghttp2-client',
    nghttpd: 'nghttp2-server',
    nghttpx: 'nghttp2-proxy',
  },
  // By itself: what builds the addon.
  package: { 'g++': 'g++', make: 'make', python3: 'python3', strip: 'binutils' },
  // By itself, and of one version: the next one breaks lines elsewhere.
  lint: { 'clang-format-14': 'clang-format-14' },
  fuzz: { 'clang++-14': 'clang-14 libclang-rt-14-dev' },
  // A node of Kubernetes; everything else of it is built.
  cluster: {
    containerd: 'containerd',
    runc: 'runc',
    '/usr/lib/cni/bridge': 'containernetworking-plugins',
    nsenter: 'util-linux',
    conntrack: 'conntrack',
    // For the images.
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

/** Programs of the tests that Debian does not have, built from their Go modules where Go is there. */
export const BUILT = {
  helm: { module: 'helm.sh/helm/v3/cmd/helm', version: 'v3.18.6' },
  h2spec: { module: 'github.com/summerwind/h2spec/cmd/h2spec', version: 'v2.2.1+incompatible' },
  'grpc-interop-client': { module: 'google.golang.org/grpc/interop/client', version: 'v1.85.0' },
  'grpc-interop-server': { module: 'google.golang.org/grpc/interop/server', version: 'v1.85.0' },
};

/** Packages of Python that the tests use, each a folder for PYTHONPATH, where pip is there. */
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

/** The modules of the tests that a source of theirs runs with. */
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
