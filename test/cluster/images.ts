/**
 * The images of the test cluster. sideroute's are put together from what is built already (dist/, the addon, the production dependencies), file
 * for file what the Dockerfiles make, in seconds instead of minutes and without a base image of a registry: test/e2e/images.test.ts builds the
 * Dockerfiles themselves. The others stand in for images of the same names, made of this machine's Debian programs.
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NODE_VERSION } from '../support/base-images.ts';
import { image, layer, type Descriptor, type Image, type ImageConfiguration } from './oci.ts';
import { mustRun } from './processes.ts';
import { CACHE, madeOnce, program, ROOT } from './programs.ts';

/** What gcr.io/distroless/cc consists of. */
const DISTROLESS = [
  'base-files',
  'netbase',
  'tzdata',
  'ca-certificates',
  'libc6',
  'libgcc-s1',
  'libstdc++6',
  'libgomp1',
  'libssl3',
];
/** Whose files init-container/Dockerfile takes from Debian. */
const IPTABLES = [
  'iptables',
  'util-linux',
  'libcap-ng0',
  'libip4tc2',
  'libip6tc2',
  'libmnl0',
  'libnetfilter-conntrack3',
  'libnfnetlink0',
  'libnftnl11',
  'libxtables12',
];

async function inTemporary<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'sideroute-image-'));
  try {
    return await work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Names and versions of Debian packages: the key of what is made of them. */
async function versionsOf(packages: readonly string[]): Promise<string> {
  const text = await mustRun(['apt-cache', 'show', '--no-all-versions', ...packages]);
  return text
    .split('\n')
    .filter((line) => /^(Package|Version):/.test(line))
    .join('\n');
}

async function unpackPackages(packages: readonly string[], root: string): Promise<void> {
  await inTemporary(async (directory) => {
    await mustRun(['sh', '-c', `cd '${directory}' && apt-get download -qq ${packages.join(' ')} 2>&1`]);
    for (const file of readdirSync(directory)) await mustRun(['dpkg', '-x', join(directory, file), root]);
  });
}

async function distroless(): Promise<Descriptor> {
  return await layer('distroless/cc', await versionsOf(DISTROLESS), async (root) => {
    await unpackPackages(DISTROLESS, root);
    for (const directory of ['tmp', 'home']) mkdirSync(join(root, directory), { recursive: true });
    chmodSync(join(root, 'tmp'), 0o1777);
    writeFileSync(
      join(root, 'etc', 'passwd'),
      'root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n',
    );
    writeFileSync(join(root, 'etc', 'group'), 'root:x:0:\nnobody:x:65534:\n');
  });
}

async function nodeProgram(): Promise<Descriptor> {
  const name = `node-linux-${process.arch}@${NODE_VERSION}`;
  return await layer('node', name, async (root) => {
    await inTemporary(async (directory) => {
      await mustRun(['npm', 'install', '--silent', '--no-audit', '--no-save', '--prefix', directory, name]);
      const found = join(directory, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node');
      mkdirSync(join(root, 'usr', 'local', 'bin'), { recursive: true });
      cpSync(found, join(root, 'usr', 'local', 'bin', 'node'));
    });
  });
}

function* filesBelow(directory: string): Generator<string> {
  const entries = readdirSync(directory, { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else yield path;
  }
}

function hashOf(files: Iterable<string>): string {
  const hash = createHash('sha256');
  for (const file of files) hash.update(file.replace(ROOT, '')).update('\0').update(readFileSync(file));
  return hash.digest('hex');
}

/** What the Dockerfile makes of the sources: the bundle for an image, and the list of what is in it. */
async function bundled(): Promise<string> {
  const sources = ['src', 'init-container', 'scripts'].flatMap((name) => [...filesBelow(join(ROOT, name))]);
  const plain = ['package.json', 'package-lock.json'].map((name) => join(ROOT, name));
  const key = hashOf([...sources, ...plain]).slice(0, 16);
  return await madeOnce(join(CACHE, 'images', 'bundle', key), 'the bundle for the image', async (into) => {
    await mustRun([process.execPath, join(ROOT, 'scripts', 'bundle.mjs'), '--image', '--into', join(into, 'bin')]);
    await mustRun([process.execPath, join(ROOT, 'scripts', 'sbom.mjs'), join(into, 'sbom.spdx.json')]);
  });
}

/** The addon is built once, and Node-API keeps it good for every version of Node; of uWebSockets.js the image needs one file. */
const NODE_22_MODULES = '127';

async function sideroutePrograms(): Promise<Descriptor> {
  const made = await bundled();
  const library = join(ROOT, 'node_modules', 'uWebSockets.js');
  const page = join(ROOT, 'dist', 'page');
  const addon = join(ROOT, 'native', 'build', 'Release', 'sideroute.node');
  const plain = ['package.json', 'LICENSE'].map((name) => join(ROOT, name));
  const parts = [made, page].flatMap((directory) => [...filesBelow(directory)]);
  return await layer('sideroute', hashOf([...parts, ...filesBelow(library), addon, ...plain]), async (root) => {
    const home = join(root, 'opt', 'sideroute');
    const documents = join(root, 'usr', 'share', 'doc', 'sideroute');
    for (const directory of [documents, join(home, 'native', 'build', 'Release'), join(root, 'usr', 'local', 'bin')])
      mkdirSync(directory, { recursive: true });
    for (const file of filesBelow(library)) {
      const name = file.slice(library.length + 1);
      const isOther = /uws_.*\.node$/.test(name) && !name.endsWith(`uws_linux_${process.arch}_${NODE_22_MODULES}.node`);
      if (isOther || name === 'README.md' || name.endsWith('.d.mts')) continue;
      cpSync(file, join(home, 'node_modules', 'uWebSockets.js', name));
    }
    cpSync(join(made, 'bin'), join(home, 'dist', 'bin'), { recursive: true });
    cpSync(page, join(home, 'dist', 'page'), { recursive: true });
    cpSync(addon, join(home, 'native', 'build', 'Release', 'sideroute.node'));
    await mustRun(['strip', join(home, 'native', 'build', 'Release', 'sideroute.node')]);
    cpSync(join(ROOT, 'package.json'), join(home, 'package.json'));
    cpSync(join(made, 'sbom.spdx.json'), join(documents, 'sbom.spdx.json'));
    cpSync(join(ROOT, 'LICENSE'), join(documents, 'LICENSE'));
    symlinkSync('/opt/sideroute/dist/bin/sideroute.js', join(root, 'usr', 'local', 'bin', 'sideroute'));
  });
}

async function iptablesPrograms(): Promise<Descriptor> {
  return await layer('iptables', await versionsOf(IPTABLES), async (root) => {
    await inTemporary(async (directory) => {
      await unpackPackages(IPTABLES, directory);
      await mustRun([
        ...['sh', '-euc'],
        `cd '${directory}'
         cp -a --parents usr/sbin/xtables-*-multi usr/sbin/ip*tables-nft* usr/sbin/ip*tables-legacy* usr/bin/setpriv usr/lib/*-linux-gnu/xtables '${root}'
         find usr/lib lib -name '*.so.*' | grep -v /xtables/ | while read -r file; do
           mkdir -p "${root}/usr/$(dirname "\${file#usr/}")"; cp -a "$file" "${root}/usr/\${file#usr/}"
         done`,
      ]);
    });
    for (const name of ['usr/sbin/xtables-nft-multi', 'usr/bin/setpriv'])
      await mustRun(['setcap', 'cap_net_admin=ep', join(root, name)]);
  });
}

/** USER, ENV, ENTRYPOINT and CMD of the last stage of a Dockerfile. */
export function configurationOf(dockerfile: string): ImageConfiguration {
  const stage = dockerfile.slice(dockerfile.lastIndexOf('\nFROM ')).replaceAll('\\\n', ' ');
  const last = (instruction: string) => new RegExp(`^${instruction} +(.*)$`, 'm').exec(stage)?.[1];
  const list = (instruction: string) => {
    const text = last(instruction);
    return text === undefined ? undefined : (JSON.parse(text) as string[]);
  };
  const found = { User: last('USER'), Entrypoint: list('ENTRYPOINT'), Cmd: list('CMD') };
  const env = [...stage.matchAll(/^ENV +(.*)$/gm)].map(([, assignment]) => assignment!);
  return {
    ...Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined)),
    Env: [PATH, ...env],
  };
}

const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The sidecar's image and that of the init container, by the names of the manifests. */
export async function siderouteImages(): Promise<Image[]> {
  const sidecar = [await distroless(), await nodeProgram(), await sideroutePrograms()];
  const dockerfile = readFileSync(join(ROOT, 'Dockerfile'), 'utf8');
  const init = readFileSync(join(ROOT, 'init-container', 'Dockerfile'), 'utf8');
  const inherited = configurationOf(dockerfile);
  const own = configurationOf(init);
  return [
    image('sideroute:0.1.0', sidecar, inherited),
    image('sideroute-init:0.1.0', [...sidecar, await iptablesPrograms()], {
      ...inherited,
      ...own,
      Env: [...new Set([...inherited.Env!, ...own.Env!])],
    }),
  ];
}

/** One program alone in an image. */
async function only(name: string, file: string, configuration: ImageConfiguration = {}): Promise<Image> {
  const made = await layer(name, hashOf([file]), async (root) => cpSync(file, join(root, 'program')));
  return image(name, [made], { Entrypoint: ['/program'], ...configuration });
}

export const PAUSE_IMAGE = 'localhost/pause:test';
export const COREDNS_IMAGE = 'localhost/coredns:test';

/** Without which no node works. */
export async function nodeImages(): Promise<Image[]> {
  return [await only(PAUSE_IMAGE, await program('pause')), await only(COREDNS_IMAGE, await program('coredns'))];
}

async function busybox(): Promise<Descriptor> {
  const file = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path))!;
  return await layer('busybox', hashOf([file]), async (root) => {
    for (const directory of ['bin', 'tmp', 'etc']) mkdirSync(join(root, directory));
    chmodSync(join(root, 'tmp'), 0o1777);
    cpSync(file, join(root, 'bin', 'busybox'));
    const applets = await mustRun([file, '--list']);
    for (const applet of applets.trim().split('\n'))
      if (applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet));
  });
}

async function curl(): Promise<Descriptor> {
  return await layer('curl', await versionsOf(['curl', 'libcurl4']), async (root) => {
    const libraries = await mustRun(['ldd', '/usr/bin/curl']);
    const files = [...libraries.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path!);
    await mustRun(['sh', '-euc', `cp -L --parents /usr/bin/curl ${files.join(' ')} '${root}'`]);
  });
}

/** Stand-ins for the images that the applications of the scenario are made of. */
export async function applicationImages(): Promise<Image[]> {
  const shell = await busybox();
  return [
    image('busybox:1.36', [shell], { Cmd: ['sh'], Env: [PATH] }),
    image('curlimages/curl:8.11.1', [shell, await curl()], { User: '100:101', Env: [PATH] }),
  ];
}

/** A stand-in for the image that the servers of docs/tasks/shop.yaml are made of. */
export async function nodeImage(): Promise<Image> {
  return image('node:22-alpine', [await busybox(), await distroless(), await nodeProgram()], { Env: [PATH] });
}

/** The program of the official suite's pods, by the name that its manifests have for it. */
export async function echoImage(): Promise<Image> {
  const programs = { server: await program('echo-server'), client: await program('echo-client') };
  const made = await layer('echo', hashOf(Object.values(programs)), async (root) => {
    mkdirSync(join(root, 'usr', 'local', 'bin'), { recursive: true });
    for (const [name, file] of Object.entries(programs)) cpSync(file, join(root, 'usr', 'local', 'bin', name));
    await mustRun([
      ...['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '3650'],
      ...['-subj', '/CN=echo', '-keyout', join(root, 'cert.key'), '-out', join(root, 'cert.crt')],
    ]);
    chmodSync(join(root, 'cert.key'), 0o644);
  });
  const name = 'registry.k8s.io/gateway-api/conformance/echo-advanced:v0.1.0';
  return image(name, [made], { Entrypoint: ['/usr/local/bin/server'], Env: [PATH] });
}
