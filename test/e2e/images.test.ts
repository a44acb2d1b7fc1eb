/**
 * The images, built and run: the scenario's own manifests as Pods. Takes minutes, and longer the first time, when it makes stand-ins
 * for the base images; so only when asked: SIDEROUTE_IMAGES=1 npm test -- dist/test/e2e/images.test.js
 */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { siderouteImages } from '../cluster/images.ts';
import { filesOf } from '../cluster/oci.ts';
import { ensureBaseImages } from '../support/base-images.ts';
import { Cluster, runCommand } from '../support/cluster.ts';
import { commandsOf, fencedBlocks } from '../support/docs/blocks.ts';
import { CONTAINER_BLOCK } from '../support/docs/elsewhere.ts';
import { plainClient } from '../support/docs/places.ts';
import { eventually } from '../support/eventually.ts';
import { adapt, containerName, KubePlay, updateConfigMap, type Node } from '../support/kube-play.ts';
import { container, find, program, readManifests, ROOT, type Manifest } from '../support/manifests.ts';
import { cannotRunContainers, mustPodman, podman } from '../support/podman.ts';
import { startFixture, temporaryDirectory } from '../support/sidecar.ts';
import { matches } from '../support/match.ts';

/** With stand-ins for every base image on a busy machine. */
const TIMEOUT_MS = 1_800_000;
/** Compressed, of the sidecar. */
const LIMIT_MB = 70;
const SIDECAR = 'localhost/sideroute:0.1.0';
const INIT = 'localhost/sideroute-init:0.1.0';

const TOOLS = ['podman', 'runc', 'catatonit', 'debootstrap'];
const missing = TOOLS.filter((name) => program(name) === null);
function reasonToSkip(): string | false {
  if (process.env['SIDEROUTE_IMAGES'] !== '1')
    return 'set SIDEROUTE_IMAGES=1 to build the images and run them (minutes)';
  if (missing.length > 0) return `not installed: ${missing.join(', ')} (Debian packages of the same names)`;
  return cannotRunContainers() ?? false;
}

/** A description of a container as containerd writes it for a user other than root: no inheritable, no ambient capabilities. */
function bundleOf(image: string, directory: string): string {
  mustRun('runc', ['spec', '--bundle', directory]);
  const spec = JSON.parse(readFileSync(join(directory, 'config.json'), 'utf8')) as {
    root: object;
    process: Record<string, unknown>;
  };
  const [{ Config }] = JSON.parse(mustPodman(['image', 'inspect', image])) as [{ Config: { Entrypoint: string[] } }];
  const capabilities = ['CAP_NET_ADMIN'];
  spec.root = { path: mustPodman(['image', 'mount', image]).trim(), readonly: true };
  Object.assign(spec.process, {
    terminal: false,
    user: { uid: 65534, gid: 65534 },
    args: Config.Entrypoint,
    env: ['PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'SIDEROUTE_SERVICE_CIDRS=10.96.0.0/12'],
    capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
    noNewPrivileges: true,
  });
  writeFileSync(join(directory, 'config.json'), JSON.stringify(spec));
  return directory;
}

/** What the documents say: for a local cluster, and for a registry. */
function buildCommands(): string[] {
  return ['README.md', 'docs/install.md']
    .flatMap((document) => fencedBlocks(document))
    .filter(({ language }) => language === 'sh')
    .flatMap(({ text }) => commandsOf(text))
    .filter((command) => command.startsWith('docker build '));
}

/**
 * Runs commands of the documents with podman for docker and the stand-ins for base images. `at`: the directory that they are typed in.
 * What they print.
 */
function runDocker(commands: string, directory: string, at = ROOT): string {
  const build = 'build) shift; set -- build --pull=never --network host "$@";;';
  const run = 'run) shift; set -- run --pull=never --network none "$@";;';
  writeFileSync(join(directory, 'docker'), `#!/bin/sh\ncase $1 in ${build} ${run} esac\nexec podman "$@"\n`);
  chmodSync(join(directory, 'docker'), 0o755);
  return mustRun('env', [
    '-C',
    at,
    'REGISTRY=localhost/registry',
    `PATH=${directory}:${process.env['PATH']}`,
    'sh',
    '-euc',
    commands,
  ]);
}

function mustRun(command: string, args: readonly string[]): string {
  const result = runCommand(command, args);
  if (result.status !== 0)
    throw new Error(`${command} ${args.join(' ')}: exit ${result.status}: ${result.stderr}${result.stdout}`);
  return result.stdout;
}

// Of the file, too: the runner's own is shorter.
t.setTimeout(TIMEOUT_MS);

t.test('the images run the scenario as Pods', { skip: reasonToSkip(), timeout: TIMEOUT_MS }, async (t) => {
  const started = performance.now();
  const seconds = () => `${Math.round((performance.now() - started) / 1000)} s`;
  const directory = temporaryDirectory();
  t.teardown(directory.remove);
  t.comment(`base images made: ${ensureBaseImages().join(', ') || 'none, all were there'} (${seconds()})`);
  const commands = buildCommands();
  t.equal(commands.length, 4, 'README.md and docs/install.md say how to build both images');
  for (const command of commands) runDocker(command, directory.path);
  t.comment(`images built (${seconds()})`);

  await t.test('have the files that the test cluster puts together without a build', async (t) => {
    const quick = await siderouteImages();
    for (const [index, image] of [SIDECAR, INIT].entries()) {
      const made = await filesOf(quick[index]!);
      const built = mustRun('tar', ['-tf', saveFilesystem(image, directory.path)])
        .split('\n')
        .filter((path) => /^(opt|usr\/(local|s?bin|lib\/[^/]*-linux-gnu))\/.*[^/]$/.test(path));
      t.ok(built.length > 100, `${image} holds ${built.length} files of its own`);
      t.strictSame(
        built.filter((path) => !made.has(path)),
        [],
      );
    }
  });

  await t.test('weigh little and hold nothing but what they run', async (t) => {
    const sizes = mustRun(process.execPath, [
      join(ROOT, 'scripts', 'image-sizes.mjs'),
      ...['--limit-mb', String(LIMIT_MB), SIDECAR, INIT],
    ]);
    for (const line of sizes.trim().split('\n')) t.comment(line);
    const list = (image: string) =>
      mustRun('tar', ['-tf', saveFilesystem(image, directory.path)])
        .split('\n')
        .map((path) => `/${path.replace(/^\.?\//, '')}`);
    for (const image of [SIDECAR, INIT]) {
      const files = list(image);
      const unwanted = /\/(sh|bash|dash|busybox|apt|apt-get|dpkg|npm|npx|yarn|corepack|gcc|g\+\+|cc|make|python3?)$/;
      t.same(
        files.filter((path) => /\/s?bin\//.test(path) && unwanted.test(path)),
        [],
        `${image}: no shell, compiler or package manager`,
      );
      t.same(
        files
          .filter((path) => /node_modules\/(?!uWebSockets\.js\/)./.test(path))
          .filter((path) => !/^\/opt\/sideroute\/dist\/bin\/node_modules\/[a-z0-9-]+\.js$/.test(path)),
        [],
        `${image}: no packages but the one with native code; those of the bundle are a file each`,
      );
      t.ok(files.includes('/opt/sideroute/dist/bin/LICENSES.txt'), `${image}: the licences of what is bundled`);
      t.same(
        files.filter((path) => /\.(ts|map|cc|gyp)$/.test(path)),
        [],
        `${image}: no sources`,
      );
      t.same(
        files.filter((path) => /\.npmrc$|\/ca\.crt$|\/etc\/npmrc$/.test(path)),
        [],
        `${image}: nothing of the machine that built it`,
      );
      t.ok(files.includes('/usr/share/doc/sideroute/sbom.spdx.json'), `${image}: the list of software`);
      t.equal(files.filter((path) => /uws_.*\.node$/.test(path)).length, 1, `${image}: one binary of uWebSockets.js`);
    }
    const [{ Config }] = JSON.parse(mustPodman(['image', 'inspect', SIDECAR])) as [{ Config: Record<string, unknown> }];
    matches(t, Config, {
      User: '1337:1337',
      Cmd: ['proxy'],
      Labels: { 'org.opencontainers.image.title': 'sideroute', 'org.opencontainers.image.licenses': 'Apache-2.0' },
    });
    const plain = ['run', '--rm', '--network', 'none', '--read-only', '--cap-drop', 'all', SIDECAR];
    t.equal(mustPodman([...plain, '--version']), '0.1.0\n');
  });

  await t.test('are the command, for files on standard input and mounted, as the document says', async (t) => {
    const at = join(directory.path, 'typed');
    mkdirSync(at);
    const routes = readManifests('scenario/routes.yaml');
    writeFileSync(join(at, 'route.yaml'), Object.values(find(routes, 'ConfigMap').data!)[0]!);
    writeFileSync(join(at, 'deployment.yaml'), plainClient());
    const block = fencedBlocks('docs/cli.md').find(({ title }) => title === CONTAINER_BLOCK)!;
    const printed = runDocker(block.text, directory.path, at);
    const accepted = printed.match(/^HTTPRoute .*: Accepted=True /gm);
    t.equal(accepted?.length, 2, 'two checks');
    t.match(printed, /sideroute-init:0\.1\.0/, 'and the containers of a sidecar');
  });

  await t.test(
    'the init container works with what Kubernetes gives it: NET_ADMIN bounding, no new privileges',
    async (t) => {
      const bundle = join(directory.path, 'bundle');
      mkdirSync(bundle);
      t.teardown(() => podman(['image', 'unmount', INIT]));
      const output = mustRun('runc', ['run', '--bundle', bundleOf(INIT, bundle), `sideroute-test-${process.pid}`]);
      t.match(output, /^backend: nft /);
      t.match(output, /^IPv4: applied$/m);
    },
  );

  await t.test('and the legacy backend as root with NET_RAW, too', async (t) => {
    const output = mustPodman([
      ...['run', '--rm', '--network', 'none', '--read-only', '--user', '0', '--cap-drop', 'all'],
      ...[
        '--cap-add',
        'net_admin,net_raw',
        '--security-opt',
        'no-new-privileges',
        '--env',
        'SIDEROUTE_IPTABLES_BACKEND=legacy',
      ],
      INIT,
    ]);
    t.match(output, /^backend: legacy /);
  });

  await t.test(
    'curl in the application gets the version its header asks for, also after a change of the ConfigMap',
    async (t) => {
      const cluster = new Cluster();
      t.teardown(() => cluster.close());
      const services = { 'my-server': '10.96.0.10', 'my-server-v1': '10.96.0.11', 'my-server-v2': '10.96.0.12' };
      const dns = Object.entries(services).map(([service, ip]) => `${service}.devopssong.svc.cluster.local=${ip}`);
      await startFixture(cluster.node, 'dns-process', cluster.node.v4, ...dns);
      const resolvConf = join(directory.path, 'resolv.conf');
      const searches = 'devopssong.svc.cluster.local svc.cluster.local cluster.local';
      writeFileSync(resolvConf, `nameserver ${cluster.node.v4}\nsearch ${searches}\noptions ndots:5\n`);
      const node: Node = { hostIp: cluster.node.v4, resolvConf, apiServer: '10.96.0.1' };

      const play = new KubePlay(cluster, directory.path);
      t.teardown(() => play.stop());
      const servers = readManifests('scenario/servers.yaml');
      const [v1, v2] = ['v1', 'v2'].map((version) => {
        const server = find(servers, 'Deployment', `my-server-${version}`);
        return { address: play.start(version, [adapt(server, cluster.nextAddresses(), node)]).v4, port: 8080 };
      });
      cluster.addService(services['my-server'], 80, [v1!, v2!]);
      cluster.addService(services['my-server-v1'], 80, [v1!]);
      cluster.addService(services['my-server-v2'], 80, [v2!]);
      const routes = find(readManifests('scenario/routes.yaml'), 'ConfigMap');
      const workload = find(readManifests('scenario/client.yaml'), 'Deployment', 'client');
      const client = play.start('client', [routes, adapt(workload, cluster.nextAddresses(), node)]);

      const name = (of: string) => containerName('client', of);
      const log = (of: string) => podman(['logs', name(of)]);
      t.match(
        log('sideroute-init').stdout,
        /^connectivity: passed/m,
        'the init container has proved that connections are captured',
      );
      const probe = (path: string) =>
        cluster.node.run(['curl', '-sf', '--max-time', '2', `http://${client.v4}:15020${path}`]);
      await eventually('the sidecar is ready, asked from the node', () => probe('/readyz').status === 0, 30_000);
      const curl = (...args: string[]) =>
        mustPodman(['exec', name('client'), 'curl', '-sS', '--max-time', '5', ...args, 'http://my-server']);
      await eventually('both servers listen', () => [v1!, v2!].every(({ address }) => listens(address)), 30_000);
      function listens(address: string): boolean {
        return (
          cluster.node.run(['curl', '-sf', '--max-time', '2', '-o', '/dev/null', `http://${address}:8080`]).status === 0
        );
      }
      for (let i = 0; i < 5; i++) t.equal(curl(), 'Hello from Version 1\n');
      for (let i = 0; i < 5; i++) t.equal(curl('-H', 'Version: new'), 'Hello from Version 2\n');

      checkContainer(t, name('sideroute'), workload);
      const allToV2 = readFileSync(join(ROOT, 'test', 'fixtures', 'all-to-v2.yaml'), 'utf8');
      updateConfigMap('sideroute-routes', { 'my-server-route.yaml': allToV2 });
      await eventually('the change is served', () => curl() === 'Hello from Version 2\n', 10_000);
      for (let i = 0; i < 5; i++) t.equal(curl(), 'Hello from Version 2\n');
      t.match(probe('/metrics').stdout, /^sideroute_requests_total\{.*backend_name="my-server-v2".*code="200"/m);
      t.comment(`the scenario is done (${seconds()})`);
    },
  );
});

/** What the manifest asks for is what the sidecar runs with. */
function checkContainer(
  t: Record<'match' | 'same', (found: unknown, wanted: unknown, message: string) => void>,
  name: string,
  workload: Manifest,
): void {
  const [{ HostConfig, Config, EffectiveCaps }] = JSON.parse(mustPodman(['inspect', name])) as [
    { HostConfig: object; Config: object; EffectiveCaps: unknown },
  ];
  const uid = container(workload, 'sideroute').securityContext!['runAsUser'] as number;
  t.match(Config, { User: `${uid}:${uid}` }, 'the sidecar runs as the uid of the manifest');
  t.match(HostConfig, { ReadonlyRootfs: true }, 'with a read-only root');
  t.same(EffectiveCaps ?? [], [], 'without capabilities');
}

function saveFilesystem(image: string, directory: string): string {
  const file = join(directory, 'filesystem.tar');
  const id = mustPodman(['create', image]).trim();
  try {
    mustPodman(['export', '--output', file, id]);
  } finally {
    mustPodman(['rm', id]);
  }
  return file;
}
