/** The package that `npm run package` makes, on a machine that has nothing but Node: installed as the document says, and its commands tried. */
import { copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import t, { type Test } from 'tap';
import type { PackedAddon } from '../../src/addon/packed.ts';
import { runCommand, type CommandResult } from '../support/cluster.ts';
import { PACKAGE_BLOCK } from '../support/docs/elsewhere.ts';
import { blocks } from '../support/docs/running.ts';
import { emptyMachine } from '../support/empty-machine.ts';
import { ROOT } from '../support/manifests.ts';
import { temporaryDirectory } from '../support/sidecar.ts';

const skip = process.getuid!() === 0 ? false : 'needs root for namespaces';

const MOST_BYTES = 1.5e6;

const ROUTES = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: cart, namespace: shop }
spec:
  parentRefs: [{ group: '', kind: Service, name: cart, port: 80 }]
  rules:
    - matches: [{ headers: [{ name: version, value: new }] }]
      backendRefs: [{ name: cart-v2, port: 80 }]
    - backendRefs: [{ name: cart-v1, port: 80 }]
`;

const DEPLOYMENT = `apiVersion: apps/v1
kind: Deployment
metadata: { name: cart, namespace: shop }
spec:
  selector: { matchLabels: { app: cart } }
  template:
    metadata: { labels: { app: cart } }
    spec: { containers: [{ name: app, image: example.com/app }] }
`;

interface Manifest extends Readonly<Record<string, unknown>> {
  readonly version: string;
  readonly addon?: PackedAddon;
}

const manifestOf = (text: string): Manifest => JSON.parse(text) as Manifest;

function must(t: Test, result: CommandResult): string {
  if (!t.equal(result.status, 0, 'exit status 0')) t.comment(result.stderr, result.stdout);
  return result.stdout;
}

t.test('the package of this repository', { skip }, async (t) => {
  const made = temporaryDirectory();
  t.teardown(made.remove);
  const packing = runCommand(process.execPath, [join(ROOT, 'scripts', 'package.mjs'), made.path]);
  const file = must(t, packing).trim();
  const installed = 'lib/node_modules/sideroute';

  await t.test('is one file without dependencies, small, and with nothing that runs at the install', async (t) => {
    t.equal(basename(file), `sideroute-${manifestOf(readFileSync(join(ROOT, 'package.json'), 'utf8')).version}.tgz`);
    t.ok(statSync(file).size < MOST_BYTES, `${statSync(file).size} bytes`);
    const manifest = manifestOf(must(t, runCommand('tar', ['-xzOf', file, 'package/package.json'])));
    for (const key of ['dependencies', 'optionalDependencies', 'scripts', 'gypfile', 'os'])
      t.equal(manifest[key], undefined, `no ${key}`);
    t.match(manifest.addon, { platform: 'linux', arch: process.arch, glibc: /^2\.\d+$/, nodeApi: 8 });
    const files = must(t, runCommand('tar', ['-tzf', file])).split('\n');
    t.strictSame(
      files.filter((name) => /\.(?:map|ts|cc|h|gyp)$|inputs\.json$|sideroute-init/.test(name)),
      [],
    );
    for (const name of ['LICENSE', 'dist/bin/LICENSES.txt', 'dist/bin/node_modules/yaml.js', 'dist/page/index.html'])
      t.ok(files.includes(`package/${name}`), name);
  });

  await t.test('installed on an empty machine', async (t) => {
    const machine = emptyMachine();
    t.teardown(machine.remove);
    t.not(machine.run(`test -e '${ROOT}/package.json'`).status, 0, 'the repository is not there');
    t.not(machine.run('command -v cc || command -v g++ || command -v make').status, 0, 'and no compiler');
    copyFileSync(file, join(machine.directory, basename(file)));
    machine.write('route.yaml', ROUTES);
    machine.write('routes/route.yaml', ROUTES);
    machine.write('deployment.yaml', DEPLOYMENT);

    await t.test('as the document says', async (t) => {
      const { text } = blocks.find(({ title }) => title === PACKAGE_BLOCK)!;
      const printed = must(t, machine.run(text));
      t.equal([...printed.matchAll(/^client +0\.1\.0 .* yes$/gm)].length, 2, 'both names answer, the addon loads');
      t.notOk(/^(?:npm )?warn/im.test(printed), 'without a warning');
    });

    await t.test('commands work', async (t) => {
      const read = machine.run('sideroute check -', ROUTES);
      t.match(read, { status: 0, stdout: /HTTPRoute shop\/cart .*Accepted=True/ });
      const explain = "sideroute explain --routes routes --service cart.shop:80 -H 'version: new'";
      t.match(machine.run(explain), { status: 0, stdout: /cart-v2/ });
      t.match(machine.run('sideroute inject deployment.yaml'), { status: 0, stdout: /sideroute-init/ });
      t.match(machine.run('sideroute completion bash'), { status: 0, stdout: /complete -F _sideroute sideroute/ });
      t.match(machine.run('sideroute iptables print --service-cidrs 10.96.0.0/12'), { status: 0, stdout: /10\.96/ });
      t.match(machine.run('sideroute policy'), { status: 0, stdout: /MutatingAdmissionPolicy/ });
      t.match(machine.run('sideroute status'), { status: 1, stderr: /ECONNREFUSED/ });
    });

    await t.test('it speaks of itself as it was called', async (t) => {
      t.match(machine.run('kubectl sideroute --help').stdout, /^Usage: kubectl sideroute \[options\] \[command\]/);
      t.match(machine.run('kubectl sideroute check --help').stdout, /^Usage: kubectl sideroute check /);
      t.match(machine.run('sideroute check --help').stdout, /^Usage: sideroute check /);
    });

    await t.test('kubectl is told what may be typed behind kubectl sideroute', async (t) => {
      t.match(machine.run("kubectl_complete-sideroute ''"), {
        status: 0,
        stdout: /^explain\t.*\n(?:.*\n)*:4\n$/m,
        stderr: '',
      });
      t.match(machine.run('kubectl_complete-sideroute proxy --routes r'), { status: 0, stdout: /^:0\n$/, stderr: '' });
    });

    await t.test('the proxy starts, serves and ends', async (t) => {
      const asked = machine.run(`
        sideroute proxy --routes routes 2> log &
        sideroute wait --timeout 60s
        sideroute status
        node -e "fetch('http://127.0.0.1:15000/', { headers: { accept: 'text/html' } }).then(async (answer) => console.log(answer.status, await answer.text()))"
        sideroute quit
        wait`);
      must(t, asked);
      t.match(asked.stdout, /^generation 1, hash .*, valid$/m);
      t.match(asked.stdout, /^200 <!doctype html>/im, 'with its page');
    });

    await t.test('where the addon does not fit, the proxy says why, and everything else works', async (t) => {
      const path = join(machine.prefix, installed, 'package.json');
      const manifest = manifestOf(readFileSync(path, 'utf8'));
      writeFileSync(path, JSON.stringify({ ...manifest, addon: { ...manifest.addon, arch: 'riscv64' } }));
      writeFileSync(join(machine.prefix, installed, 'native/build/Release/sideroute.node'), 'of another machine');
      const why = /it is for linux-riscv64, and this is linux-\w+: run this command in the image of sideroute, or /;
      t.match(machine.run('sideroute proxy --routes routes'), { status: 1, stderr: why });
      t.match(machine.run('sideroute version'), { status: 0, stdout: /^client .* no$/m });
      t.match(machine.run('sideroute check routes'), { status: 0, stdout: /Accepted=True/ });
    });
  });
});
