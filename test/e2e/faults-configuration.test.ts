/** Configuration, DNS and endpoints that fail under load, and the end of the sidecar itself: what it costs, request by request. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { eventually } from '../support/eventually.ts';
import { FaultHarness, FILES, FULL, NAMED, ONE, ROUTES, SERVICES, THREE } from '../support/faults/harness.ts';
import { ingredient, type Ingredient } from '../support/faults/ingredient.ts';
import { metricValue } from '../support/faults/witnesses.ts';
import { waitForLine } from '../support/processes.ts';
import { serviceFile } from '../support/services.ts';
import { fixture } from '../support/sidecar.ts';

t.setTimeout(FULL ? 1_800_000 : 180_000);

const POST = { method: 'POST', bodyBytes: 50 };

/** Sends the kinds, again and again, until `body` has ended; at least `count` of each. */
async function meanwhile(
  harness: FaultHarness,
  kinds: readonly Ingredient[],
  count: number,
  body: () => Promise<void>,
): Promise<void> {
  let over = false;
  const sending = kinds.map(async (kind) => {
    for (let sent = 0; !over || sent < count; sent += 100) await harness.send(kind, 100, 4);
  });
  await body().finally(() => (over = true));
  await Promise.all(sending);
}

t.test('FAULT 13: route files that are broken, half written or gone under load cost no request', async (t) => {
  const count = FULL ? 50_000 : 1_500;
  const get = ingredient('get', { path: '/one' }, { backends: ONE });
  const post = ingredient('post', { path: '/three', ...POST }, { backends: THREE });
  const harness = await FaultHarness.start(t, [get, post]);
  const { path } = harness.routes;
  const valid = (): boolean => metricValue(harness.metrics(), 'sideroute_config_valid') === 1;
  const rounds = FULL ? 20 : 2;
  await meanwhile(harness, [get, post], count, async () => {
    for (let round = 0; round < rounds; round += 1) {
      harness.routes.write({ ...FILES, 'route.yaml': ROUTES.replace('rules:', 'rules: [') });
      await eventually('the broken file is noticed', () => !valid());
      harness.routes.write({ ...FILES, 'route.yaml': ROUTES.slice(0, ROUTES.length - 40) });
      harness.routes.write({ ...FILES, 'route.yaml': `${ROUTES}\0` });
      harness.routes.write(FILES);
      await eventually('mended', valid);
      renameSync(path, `${path}-gone`);
      await eventually('the directory is missed', () => !valid());
      renameSync(`${path}-gone`, path);
      await eventually('the directory is back', valid);
    }
  });
  // Without ..data, as an editor writes: in pieces, and for a moment not at all.
  rmSync(path, { recursive: true });
  mkdirSync(path, { mode: 0o755 });
  writeFileSync(join(path, 'services.yaml'), SERVICES);
  writeFileSync(join(path, 'route.yaml'), ROUTES);
  await eventually('a plain directory', valid);
  await harness.send(get, 100);
  await harness.reconcile(t);
  t.comment(`${harness.ledger.settled} requests over ${rounds * 6} changes`);
});

t.test(
  'FAULT 14: DNS that is silent, fails or denies costs no request; an address that changes is followed',
  async (t) => {
    const count = FULL ? 10_000 : 400;
    const named = ingredient('named', { path: '/named' }, { backends: ONE });
    const fresh = ingredient('named-fresh', { style: 'fresh', path: '/named', plan: 'close=1' }, { backends: ONE });
    const post = ingredient('named-post', { path: '/named', ...POST }, { backends: ONE });
    let tell: (line: string) => void = () => undefined;
    // A document of `named` would be an answer of its own.
    const files = { ...FILES, 'services.yaml': serviceFile('web', 'one', 'three') };
    const flags: string[] = [];
    const harness = await FaultHarness.start(t, [named, fresh, post], {
      files,
      flags,
      prepare: async (cluster, _client, directory) => {
        const pod = cluster.addPod('dns');
        const names = ['web=10.96.0.10', 'one=10.96.0.11', 'three=10.96.0.12', `named=${NAMED}`];
        const records = names.map((entry) => `${entry.replace('=', '.shop.svc.cluster.local=')}/1`);
        const dns = pod.spawn(fixture('dns-process', pod.v4, ...records), { stdio: ['pipe', 'pipe', 'inherit'] });
        await waitForLine(dns, /^listening/);
        tell = (line) => dns.stdin!.write(`${line}\n`);
        const resolvConf = join(directory, 'resolv.conf');
        writeFileSync(
          resolvConf,
          `nameserver ${pod.v4}\nsearch shop.svc.cluster.local svc.cluster.local cluster.local\n`,
        );
        flags.push('--resolv-conf', resolvConf);
      },
    });
    const lookups = (result: string): number =>
      metricValue(harness.metrics(), `sideroute_dns_lookups_total{result="${result}"}`);
    const kinds = [named, fresh, post];
    await eventually('named is known', () => harness.lines.some((line) => line.includes(NAMED)));
    for (const fault of FULL ? ['drop', 'servfail', 'refused', 'nxdomain'] : ['drop']) {
      const result = fault === 'nxdomain' ? 'no_address' : 'failed';
      const before = lookups(result);
      tell(`fault ${fault}`);
      await meanwhile(harness, kinds, count, () =>
        eventually(`lookups that fail by ${fault}`, () => lookups(result) > before, 30_000).then(() => undefined),
      );
      tell('fault none');
      const answered = lookups('answered');
      await eventually('answers again', () => lookups('answered') > answered, 60_000);
    }

    const next = '10.96.0.99';
    harness.cluster.addService(next, 80, [{ address: harness.backendPods[0]!.v4, port: 8080 }]);
    tell(`named.shop.svc.cluster.local=${next}/1`);
    const known = (): boolean => harness.lines.some((line) => line.includes(next));
    await meanwhile(harness, kinds, count, () => eventually('the new address', known, 30_000).then(() => undefined));
    harness.cluster.removeService(NAMED, 80, [{ address: harness.backendPods[0]!.v4, port: 8080 }]);
    harness.cluster.addService(NAMED, 80, []);
    for (const kind of kinds) await harness.send(kind, 100);
    await harness.reconcile(t);
    t.comment(`${harness.ledger.settled} requests`);
  },
);

t.test('FAULT 16: SIGTERM under load loses no request and repeats none', async (t) => {
  const rounds = FULL ? 10 : 2;
  const get = ingredient('get', { path: '/one', plan: 'delay=5' }, { backends: ONE });
  const fresh = ingredient('fresh', { style: 'fresh', path: '/three' }, { backends: THREE });
  const large = ingredient('large', { path: '/one', plan: 'size=500000,over=200' }, { backends: ONE });
  const post = ingredient('post', { path: '/three', ...POST, bodyBytes: 30_000, chunked: true }, { backends: THREE });
  const upgrade = ingredient(
    'upgrade',
    { style: 'upgrade', path: '/one' },
    { backends: ONE, expected: /^answered 101$/ },
  );
  const kinds = [get, fresh, large, post, upgrade];
  const harness = await FaultHarness.start(t, kinds, { flags: ['--drain-quiet', '300ms'] });
  for (let round = 0; round < rounds; round += 1) {
    const before = harness.ledger.executions;
    await meanwhile(harness, kinds, 200, async () => {
      await eventually('load', () => harness.ledger.executions > before + 100);
      const lines = harness.lines.length;
      harness.sidecar.kill('SIGTERM');
      await eventually('draining', () => harness.lines.slice(lines).some((line) => line.includes('draining')));
      const then = harness.ledger.executions;
      await eventually('load while it drains', () => harness.ledger.executions > then + 100);
    });
    harness.client.tell({ do: 'leave' });
    t.equal(await harness.sidecarEnded(), 0, 'exit status');
    await harness.settle(t);
    await harness.startSidecar();
  }
  await harness.send(get, 50);
  await harness.settle(t);
  for (const kind of kinds) t.ok(harness.executions(kind) > 0, `${kind.kind.name}: ${harness.executions(kind)}`);
});
