import t from 'tap';
import type { Test } from 'tap';
import { FrontendRegistry } from '../../../src/cluster/frontends.ts';
import { reverseName } from '../../../src/cluster/dns-client.ts';
import { ServiceResolver } from '../../../src/cluster/resolver.ts';
import { ServiceNetworks } from '../../../src/config/service-networks.ts';
import { createLogger } from '../../../src/log.ts';
import type { FrontendAddress } from '../../../src/addon/binding.ts';
import { DnsServer } from '../../support/dns-server.ts';
import { eventually } from '../../support/eventually.ts';
import { attachment, frontend, serviceDocument, serviceMap } from '../../support/services.ts';
import { matches } from '../../support/match.ts';

const DOMAIN = 'devopssong.svc.cluster.local';

interface Fixture {
  readonly dns: DnsServer;
  readonly resolver: ServiceResolver;
  readonly frontends: FrontendRegistry;
  readonly log: string[];
  readonly lists: (readonly FrontendAddress[])[];
}

interface Options {
  readonly networks?: string;
  readonly inUse?: () => ReadonlySet<number>;
}

async function start(test: Test, { networks: text, inUse }: Options = {}): Promise<Fixture> {
  const networks = text === undefined ? null : new ServiceNetworks(text);
  const dns = await DnsServer.start();
  test.teardown(() => dns.close());
  const log: string[] = [];
  const lists: (readonly FrontendAddress[])[] = [];
  const logger = createLogger('debug', (line) => log.push(line));
  const resolver = new ServiceResolver({
    logger,
    servers: [dns.address],
    clusterDomain: 'cluster.local',
    minTtlMs: 50,
    maxTtlMs: 50,
    retryMs: 50,
    networks,
  });
  test.teardown(() => resolver.close());
  const frontends = new FrontendRegistry({
    ...{ resolver, logger, networks, onChange: (addresses: readonly FrontendAddress[]) => lists.push(addresses) },
    ...(inUse === undefined ? {} : { inUse }),
  });
  return { dns, resolver, frontends, log, lists };
}

function text(addresses: readonly FrontendAddress[]): string[] {
  return addresses.map(({ address, port, id, mode }) => `${address} ${port} ${id} ${mode}`);
}

t.test('frontend ids are dense and stay the same', async (t) => {
  const { frontends } = await start(t);
  t.equal(frontends.frontendId('n/a:80'), 0);
  t.equal(frontends.frontendId('n/b:80'), 1);
  t.equal(frontends.frontendId('n/a:80'), 0);
  frontends.update(attachment([frontend('x', 80)]));
  frontends.update(attachment([]));
  t.equal(frontends.frontendId('devopssong/x:80'), 2);
});

t.test('SPEC A2, A3: every address of the Service with every port of its frontends, 0 for all others', async (t) => {
  const { frontends, resolver, lists } = await start(t);
  const services = serviceMap(
    serviceDocument('a', { clusterIPs: ['10.96.0.1', 'fd00:96::1'] }),
    serviceDocument('b', { clusterIPs: ['10.96.0.2'] }),
  );
  resolver.setServices(services);
  const list = [frontend('a', 80), frontend('a', 9000, 'opaque'), frontend('b', 0)];
  for (const { key } of list) frontends.frontendId(key);
  frontends.update(attachment(list, services));
  t.same(text(frontends.addresses), [
    '10.96.0.1 80 0 http',
    '10.96.0.1 9000 1 opaque',
    '10.96.0.2 0 2 http',
    'fd00:96::1 80 0 http',
    'fd00:96::1 9000 1 opaque',
  ]);
  t.equal(lists.length, 1);
  t.equal(lists[0], frontends.addresses);
  frontends.update(attachment(list, services));
  t.equal(lists.length, 1, 'nothing changed');
  frontends.update(attachment([frontend('b', 0)], services));
  t.same(text(frontends.addresses), ['10.96.0.2 0 2 http']);
  frontends.update(attachment([frontend('b', 0, 'opaque')], services));
  t.same(text(frontends.addresses), ['10.96.0.2 0 2 opaque']);
  t.same(frontends.unresolved, []);
  t.same(frontends.problems, []);
  frontends.update(attachment([]));
  t.same(frontends.addresses, []);
  t.equal(lists.length, 4);
});

t.test('a frontend without a known address is reported and not captured, then follows DNS', async (t) => {
  const { frontends, dns, lists, log } = await start(t);
  frontends.update(attachment([frontend('a', 80), frontend('a', 81)]));
  t.same(frontends.unresolved, [
    { key: 'devopssong/a:80', reason: 'cluster DNS has not answered yet', waiting: true },
    { key: 'devopssong/a:81', reason: 'cluster DNS has not answered yet', waiting: true },
  ]);
  const missing = { reason: 'cluster DNS knows no such Service (ENOTFOUND)', waiting: false };
  await eventually('missing', () => frontends.unresolved[0]?.reason === missing.reason);
  matches(t, frontends.unresolved, [missing, missing]);
  t.same(lists, []);
  dns.zone.set(`a.${DOMAIN}`, { a: ['10.96.0.1'] });
  await eventually('resolved', () => frontends.addresses.length === 2);
  t.same(frontends.unresolved, []);
  dns.zone.set(`a.${DOMAIN}`, { a: ['10.96.0.2'] });
  await eventually('changed', () => frontends.addresses[0]?.address === '10.96.0.2');
  dns.fault = () => 'servfail';
  const asked = dns.queries.length;
  await eventually('asked in vain', () => dns.queries.length >= asked + 4);
  t.same(text(frontends.addresses), ['10.96.0.2 80 0 http', '10.96.0.2 81 1 http']);
  t.equal(log.filter((line) => line.includes('connections pass unrouted')).length, 4, 'each reason once per frontend');
});

t.test('an answer of DNS that cannot be used leaves a frontend its last good address', async (t) => {
  const { frontends, dns, lists } = await start(t);
  dns.zone.set(`a.${DOMAIN}`, { a: ['10.96.0.1'], aaaa: ['fd00:96::1'] });
  frontends.update(attachment([frontend('a', 80)]));
  const good = ['10.96.0.1 80 0 http', 'fd00:96::1 80 0 http'];
  await eventually('resolved', () => text(frontends.addresses).join() === good.join());
  const changes = lists.length;
  for (const answer of [{ a: ['0.0.0.0'], aaaa: ['::'] }, { a: ['127.0.0.1'] }, { aaaa: ['ff02::1'] }]) {
    dns.zone.set(`a.${DOMAIN}`, answer);
    const asked = dns.queries.length;
    await eventually('asked', () => dns.queries.length >= asked + 6);
    t.same(text(frontends.addresses), good);
  }
  t.equal(lists.length, changes, 'not even for a moment');
  t.same(frontends.unresolved, []);
  t.same(frontends.problems, []);
});

t.test('Services that are no parents any more are no longer looked up', async (t) => {
  const { frontends, resolver } = await start(t);
  frontends.update(attachment([frontend('a', 80), frontend('b', 80)]));
  t.equal(resolver.status().length, 2);
  frontends.update(attachment([frontend('b', 80)]));
  t.same(
    resolver.status().map((status) => status.name),
    ['b'],
  );
});

t.test('unspecified, loopback, multicast and mapped addresses are refused with a problem', async (t) => {
  const { frontends, resolver, log } = await start(t);
  const services = serviceMap(
    serviceDocument('a', { clusterIPs: ['0.0.0.0', '::1'] }),
    serviceDocument('b', { clusterIPs: ['10.96.0.2', '::ffff:10.96.0.2'] }),
  );
  resolver.setServices(services);
  frontends.update(attachment([frontend('a', 80), frontend('b', 80)], services));
  t.same(text(frontends.addresses), ['10.96.0.2 80 1 http']);
  matches(t, frontends.unresolved, [{ key: 'devopssong/a:80', reason: /0\.0\.0\.0, ::1/ }]);
  matches(t, frontends.problems, [
    {
      severity: 'error',
      code: 'address-refused',
      file: 'services.yaml',
      document: 1,
      resource: 'Service devopssong/a',
      path: 'spec.clusterIPs',
      message: '0.0.0.0 is unspecified, no ClusterIP',
    },
    { message: /^::1 is loopback/ },
    { resource: 'Service devopssong/b', message: /IPv4-mapped/ },
  ]);
  t.equal(log.filter((line) => line.includes('address-refused')).length, 3);
});

t.test('an address claimed by two Services goes to the first name, and is reported', async (t) => {
  const { frontends, resolver } = await start(t);
  const services = serviceMap(
    serviceDocument('b', { clusterIPs: ['10.96.0.1'] }),
    serviceDocument('a', { clusterIPs: ['10.96.0.1'] }),
    serviceDocument('c', { clusterIPs: ['10.96.0.1', '10.96.0.3'] }),
  );
  resolver.setServices(services);
  const list = [frontend('c', 80), frontend('b', 0), frontend('a', 80)];
  for (const order of [list, [...list].reverse()]) {
    frontends.update(attachment(order, services));
    const { key } = { key: 'devopssong/a:80' };
    const id = frontends.frontendId(key);
    t.same(
      frontends.addresses.filter(({ address }) => address === '10.96.0.1').map((entry) => entry.id),
      [id],
    );
    t.same(
      frontends.unresolved.map((unresolved) => unresolved.key),
      ['devopssong/b:*'],
    );
    t.same(
      frontends.problems.map((problem) => `${problem.code} ${problem.resource}`),
      ['address-conflict Service devopssong/b', 'address-conflict Service devopssong/c'],
    );
  }
});

t.test('an address kept from a Service that may be gone yields to the Service that has it now', async (t) => {
  const { frontends, resolver, dns } = await start(t);
  dns.zone.set(`a.${DOMAIN}`, { a: ['10.96.0.1'] });
  dns.zone.set(`b.${DOMAIN}`, { a: ['10.96.0.2'] });
  frontends.update(attachment([frontend('a', 80), frontend('b', 80)]));
  await eventually('both', () => frontends.addresses.length === 2);
  const b = frontends.frontendId('devopssong/b:80');
  // Deleted, and its address given to the other one.
  dns.zone.delete(`a.${DOMAIN}`);
  dns.zone.set(`b.${DOMAIN}`, { a: ['10.96.0.1'] });
  await eventually('handed over', () => text(frontends.addresses).join() === `10.96.0.1 80 ${b} http`);
  matches(t, frontends.problems, [{ code: 'address-conflict', resource: 'Service devopssong/a', file: '' }]);
  matches(t, frontends.unresolved, [{ key: 'devopssong/a:80', reason: /ENOTFOUND/ }]);

  // A document is a better source than DNS, unless DNS does not know its Service.
  const a = frontends.frontendId('devopssong/a:80');
  resolver.setServices(serviceMap(serviceDocument('a', { clusterIPs: ['10.96.0.1'], managed: true })));
  t.same(text(frontends.addresses), [`10.96.0.1 80 ${a} http`]);
  resolver.setServices(serviceMap(serviceDocument('a', { clusterIPs: ['10.96.0.1'] })));
  t.same(text(frontends.addresses), [`10.96.0.1 80 ${a} http`]);
  await eventually('back to the one that is there', () => frontends.addresses[0]?.id === b);
});

t.test('a frontend follows a Service that was made anew, whatever its document says', async (t) => {
  const { frontends, resolver, dns } = await start(t);
  dns.zone.set(`a.${DOMAIN}`, { a: ['10.96.0.2'] });
  const services = serviceMap(serviceDocument('a', { clusterIPs: ['10.96.0.1'] }));
  resolver.setServices(services);
  frontends.update(attachment([frontend('a', 80)], services));
  t.same(text(frontends.addresses), ['10.96.0.1 80 0 http']);
  await eventually('followed', () => text(frontends.addresses).join() === '10.96.0.2 80 0 http');
  resolver.setServices(services);
  frontends.update(attachment([frontend('a', 80)], services));
  t.same(text(frontends.addresses), ['10.96.0.2 80 0 http'], 'another configuration with the same document');
});

t.test('a Service that was made anew has both addresses while DNS still tells clients the former one', async (t) => {
  const { frontends, resolver, dns } = await start(t);
  const apply = (clusterIP: string): void => {
    const services = serviceMap(serviceDocument('a', { clusterIPs: [clusterIP] }));
    resolver.setServices(services);
    frontends.update(attachment([frontend('a', 80)], services));
  };
  dns.zone.set(`a.${DOMAIN}`, { a: ['10.96.0.1'] });
  apply('10.96.0.1');
  await eventually('confirmed', () => resolver.status()[0]?.verdict === 'agrees');
  apply('10.96.0.2');
  t.same(text(frontends.addresses), ['10.96.0.1 80 0 http', '10.96.0.2 80 0 http']);
  dns.zone.set(`a.${DOMAIN}`, { a: ['10.96.0.2'] });
  await eventually('the new one alone', () => text(frontends.addresses).join() === '10.96.0.2 80 0 http');
});

t.test(
  'an id is given to another frontend only when no configuration, no connection and no recent edit has it',
  async (t) => {
    const used = new Set<number>();
    const { frontends } = await start(t, { inUse: () => used });
    const apply = (...names: string[]): void => {
      const list = names.map((name) => frontend(name, 80));
      for (const { key } of list) frontends.frontendId(key);
      frontends.update(attachment(list));
    };
    apply('kept', 'connected', 'gone');
    used.add(frontends.frontendId('devopssong/connected:80'));
    const gone = frontends.frontendId('devopssong/gone:80');
    apply('kept');
    apply('kept', 'gone');
    t.equal(frontends.frontendId('devopssong/gone:80'), gone, 'what comes back soon has its id');

    for (let i = 0; i < 2_000; i++) apply('kept', `other${i}`);
    t.ok(frontends.keys.length < 300, `${frontends.keys.length} ids for 2,003 frontends`);
    t.equal(frontends.keys[0], 'devopssong/kept:80');
    t.equal(frontends.keys[1], 'devopssong/connected:80', 'whose connection is still open');
    t.not(frontends.keys[gone], 'devopssong/gone:80');
    const ids = new Set(
      ['kept', 'other1999', 'other1998'].map((name) => frontends.frontendId(`devopssong/${name}:80`)),
    );
    t.equal(ids.size, 3);
    used.clear();
    for (let i = 0; i < 300; i++) apply('kept', `more${i}`);
    t.notOk(frontends.keys.includes('devopssong/connected:80'), 'and now it is not');
    t.equal(frontends.keys[0], 'devopssong/kept:80');
  },
);

t.test('SPEC A9: a parent with several addresses of one family is headless: its pods are not captured', async (t) => {
  for (const answer of [{ a: ['10.1.0.1', '10.1.0.2'] }, { aaaa: ['fd00:1::1', 'fd00:1::2'] }]) {
    const { frontends, dns, lists } = await start(t);
    dns.zone.set(`a.${DOMAIN}`, answer);
    dns.zone.set(`b.${DOMAIN}`, { a: ['10.96.0.2'], aaaa: ['fd00:96::2'] });
    frontends.update(attachment([frontend('a', 80), frontend('b', 80)]));
    await eventually('the other one, with an address of each family', () => frontends.addresses.length === 2);
    await eventually('seen', () => /no ClusterIP: .*headless/.test(frontends.unresolved[0]?.reason ?? ''));
    t.equal(frontends.unresolved.length, 1);
    t.same(frontends.problems, []);
    // All but one pod have gone, which looks like a ClusterIP.
    const [[type, addresses]] = Object.entries(answer) as [[string, string[]]];
    dns.zone.set(`a.${DOMAIN}`, { [type]: addresses.slice(0, 1) });
    const asked = dns.count(`a.${DOMAIN}`, 'A');
    await eventually('asked again', () => dns.count(`a.${DOMAIN}`, 'A') >= asked + 3);
    matches(t, frontends.unresolved, [{ key: 'devopssong/a:80' }]);
    t.not(lists.length, 0);
    for (const list of lists)
      t.notOk(
        list.some(({ id }) => id === 0),
        'never captured',
      );
  }
});

t.test('SPEC A9: a headless parent with one pod is known by what DNS calls the pod', async (t) => {
  for (const [type, address] of [
    ['a', '10.1.0.1'],
    ['aaaa', 'fd00:1::1'],
  ] as const) {
    const { frontends, dns } = await start(t);
    dns.zone.set(`a.${DOMAIN}`, { [type]: [address] });
    dns.zone.set(reverseName(address), { ptr: [`other.x.svc.cluster.local`, `10-1-0-1.A.${DOMAIN}.`.toLowerCase()] });
    frontends.update(attachment([frontend('a', 80)]));
    await eventually('seen', () =>
      /10-1-0-1\.a\..* a pod of a headless Service/.test(frontends.unresolved[0]?.reason ?? ''),
    );
    t.same(frontends.addresses, []);
    // The pod is replaced: the new one is not captured, whatever it is called.
    dns.zone.set(`a.${DOMAIN}`, { a: ['10.1.0.9'] });
    const asked = dns.queries.length;
    await eventually('asked again', () => dns.queries.length >= asked + 8);
    t.same(frontends.addresses, []);
    // Made anew with a ClusterIP.
    dns.zone.set(`a.${DOMAIN}`, { a: ['10.96.0.1'] });
    dns.zone.set(reverseName('10.96.0.1'), { ptr: [`a.${DOMAIN}`] });
    await eventually('captured', () => text(frontends.addresses).join() === '10.96.0.1 80 0 http');
    t.same(frontends.unresolved, []);
  }
});

t.test('a Service that is gone and comes back may be of another kind', async (t) => {
  const { frontends, dns } = await start(t);
  dns.zone.set(`a.${DOMAIN}`, { a: ['10.1.0.1', '10.1.0.2'] });
  frontends.update(attachment([frontend('a', 80)]));
  await eventually('headless', () => (frontends.unresolved[0]?.reason ?? '').includes('headless'));
  dns.zone.delete(`a.${DOMAIN}`);
  const asked = dns.count(`a.${DOMAIN}`, 'A');
  await eventually('gone', () => dns.count(`a.${DOMAIN}`, 'A') >= asked + 2);
  dns.zone.set(`a.${DOMAIN}`, { a: ['10.96.0.1'] });
  await eventually('captured', () => text(frontends.addresses).join() === '10.96.0.1 80 0 http');
});

t.test('SPEC A9: a parent that is an alias is an ExternalName: the other host is not captured', async (t) => {
  const { frontends, dns } = await start(t);
  dns.zone.set(`a.${DOMAIN}`, { cname: 'db.example.org', a: ['203.0.113.9'] });
  frontends.update(attachment([frontend('a', 80)]));
  await eventually('seen', () => (frontends.unresolved[0]?.reason ?? '').includes('an alias of db.example.org'));
  t.same(frontends.addresses, []);
});

t.test('what DNS calls an address is asked once for each address, and again when that was not answered', async (t) => {
  const { frontends, dns } = await start(t);
  const name = reverseName('10.96.0.1');
  dns.zone.set(`a.${DOMAIN}`, { a: ['10.96.0.1'] });
  dns.zone.set(name, { ptr: [`a.${DOMAIN}`] });
  dns.fault = (_name, type) => (type === 'PTR' ? 'servfail' : null);
  frontends.update(attachment([frontend('a', 80)]));
  await eventually('asked in vain', () => dns.count(name, 'PTR') >= 2);
  t.same(text(frontends.addresses), ['10.96.0.1 80 0 http'], 'nothing speaks against it');
  dns.fault = () => null;
  const asked = dns.count(name, 'PTR');
  await eventually('answered', () => dns.count(name, 'PTR') > asked);
  const [all, lookups] = [dns.count(name, 'PTR'), dns.count(`a.${DOMAIN}`, 'A')];
  await eventually('looked up again', () => dns.count(`a.${DOMAIN}`, 'A') >= lookups + 4);
  t.ok(dns.count(name, 'PTR') <= all + 1, `${dns.count(name, 'PTR') - all} more`);
});

t.test(
  'with the networks of Services known, only what is inside is captured, and nothing has to be asked',
  async (t) => {
    const { frontends, dns, resolver } = await start(t, { networks: '10.96.0.0/12, fd00:96::/112' });
    dns.zone.set(`a.${DOMAIN}`, { a: ['10.1.0.1'] });
    dns.zone.set(`b.${DOMAIN}`, { a: ['10.96.0.2'], aaaa: ['fd00:1::2'] });
    const services = serviceMap(serviceDocument('c', { clusterIPs: ['10.112.0.1'], managed: true }));
    resolver.setServices(services);
    frontends.update(attachment([frontend('a', 80), frontend('b', 80), frontend('c', 80)], services));
    await eventually('b', () => text(frontends.addresses).join() === '10.96.0.2 80 1 http');
    await eventually('a', () => (frontends.unresolved[0]?.reason ?? '').includes('10.1.0.1 is outside'));
    matches(t, frontends.unresolved, [
      { key: 'devopssong/a:80', reason: 'no ClusterIP: 10.1.0.1 is outside the Service networks' },
      { key: 'devopssong/c:80', reason: 'no ClusterIP: 10.112.0.1 is outside the Service networks' },
    ]);
    dns.zone.set(`b.${DOMAIN}`, { a: ['10.96.0.3'] });
    await eventually('changed', () => text(frontends.addresses).join() === '10.96.0.3 80 1 http');
    t.equal(dns.count(reverseName('10.96.0.3'), 'PTR'), 0);
  },
);

t.test('a document that says ClusterIP is enough, as long as DNS agrees', async (t) => {
  const { frontends, dns, resolver } = await start(t);
  const services = serviceMap(serviceDocument('a', { clusterIPs: ['10.96.0.1'] }));
  dns.zone.set(`a.${DOMAIN}`, { a: ['10.96.0.1'] });
  resolver.setServices(services);
  frontends.update(attachment([frontend('a', 80)], services));
  await eventually('confirmed', () => resolver.status()[0]?.verdict === 'agrees');
  t.equal(dns.count(reverseName('10.96.0.1'), 'PTR'), 0);
  dns.zone.set(`a.${DOMAIN}`, { a: ['10.1.0.1', '10.1.0.2'] });
  await eventually('headless now', () => (frontends.unresolved[0]?.reason ?? '').includes('headless'));
  t.same(frontends.addresses, []);
});
