import t from 'tap';
import type { Test } from 'tap';
import { BackendRegistry } from '../../../src/cluster/backends.ts';
import { ServiceResolver } from '../../../src/cluster/resolver.ts';
import { createLogger } from '../../../src/log.ts';
import { DnsServer } from '../../support/dns-server.ts';
import { eventually } from '../../support/eventually.ts';
import { serviceDocument, serviceMap } from '../../support/services.ts';
import { matches } from '../../support/match.ts';

interface Fixture {
  readonly dns: DnsServer;
  readonly resolver: ServiceResolver;
  readonly backends: BackendRegistry;
  readonly log: string[];
}

async function start(test: Test, drop?: (id: number) => boolean): Promise<Fixture> {
  const dns = await DnsServer.start();
  test.teardown(() => dns.close());
  const log: string[] = [];
  const logger = createLogger('debug', (line) => log.push(line));
  const resolver = new ServiceResolver({
    logger,
    servers: [dns.address],
    clusterDomain: 'cluster.local',
    minTtlMs: 50,
    maxTtlMs: 50,
    retryMs: 50,
  });
  test.teardown(() => resolver.close());
  return {
    dns,
    resolver,
    backends: new BackendRegistry({ resolver, logger, ...(drop === undefined ? {} : { drop }) }),
    log,
  };
}

t.test('the same arguments give the same object, ids are dense', async (t) => {
  const { backends } = await start(t);
  const { intern } = backends;
  const first = intern('n', 'a', 80);
  const second = intern('n', 'a', 81);
  t.equal(intern('n', 'a', 80), first);
  matches(t, first, { namespace: 'n', name: 'a', port: 80, key: 'n/a:80', id: 0, addresses: [], state: 'pending' });
  t.match(second, { key: 'n/a:81', id: 1 });
});

t.test('a backend with a Service document is resolved at once and follows the document', async (t) => {
  const { backends, resolver } = await start(t);
  resolver.setServices(serviceMap(serviceDocument('a', { clusterIPs: ['10.96.0.1', 'fd00:96::1'] })));
  const backend = backends.intern('devopssong', 'a', 80);
  matches(t, backend, { state: 'resolved', addresses: ['10.96.0.1', 'fd00:96::1'] });
  resolver.setServices(serviceMap(serviceDocument('a', { clusterIPs: ['10.96.0.2'] })));
  matches(t, backend, { state: 'resolved', addresses: ['10.96.0.2'] });
  t.same(backends.status(), [{ backend, error: null }]);
});

t.test('a backend waits until there is an answer of any kind, and none that no table has', async (t) => {
  const { backends, resolver, dns } = await start(t);
  resolver.setServices(serviceMap(serviceDocument('a', { clusterIPs: ['10.96.0.1'] })));
  dns.fault = () => 'drop';
  backends.beginCompile();
  backends.intern('devopssong', 'a', 80);
  backends.intern('devopssong', 'there', 80);
  backends.intern('devopssong', 'nowhere', 80);
  t.same(backends.waiting, ['devopssong/there:80', 'devopssong/nowhere:80']);
  dns.zone.set('there.devopssong.svc.cluster.local', { a: ['10.96.0.2'] });
  dns.fault = () => null;
  const states = () => backends.status().map(({ backend }) => backend.state);
  await eventually('both have been answered', () => states().join() === 'resolved,resolved,missing', 20_000);
  t.same(backends.waiting, []);
  backends.endCompile();
  backends.beginCompile();
  dns.fault = () => 'drop';
  backends.intern('devopssong', 'late', 80);
  t.same(backends.waiting, ['devopssong/late:80']);
  backends.abandonCompile();
  t.same(backends.waiting, []);
});

t.test('the first answers of new backends are waited for, bad ones too, and not for ever', async (t) => {
  const { backends, resolver, dns } = await start(t);
  resolver.setServices(serviceMap(serviceDocument('a', { clusterIPs: ['10.96.0.1'] })));
  dns.zone.set('there.devopssong.svc.cluster.local', { a: ['10.96.0.2'] });
  backends.beginCompile();
  const compiled = ['a', 'there', 'nowhere'].map((name) => backends.intern('devopssong', name, 80));
  await backends.firstAnswers(60_000);
  t.same(
    compiled.map(({ state }) => state),
    ['resolved', 'resolved', 'missing'],
  );
  backends.endCompile();

  dns.fault = () => 'drop';
  backends.beginCompile();
  const late = backends.intern('devopssong', 'late', 80);
  await backends.firstAnswers(10);
  t.equal(late.state, 'pending');
  backends.endCompile();
  // It is not new any more: nothing is waited for.
  backends.beginCompile();
  backends.intern('devopssong', 'late', 80);
  await backends.firstAnswers(60_000);
  t.equal(late.state, 'pending');
});

t.test('a port that the Service does not have, or only for UDP, is missing', async (t) => {
  const { backends, resolver, log } = await start(t);
  const ports = [
    { name: 'http', port: 80, protocol: 'TCP', appProtocol: null },
    { name: 'dns', port: 53, protocol: 'UDP', appProtocol: null },
  ] as const;
  resolver.setServices(serviceMap(serviceDocument('a', { clusterIPs: ['10.96.0.1'], ports })));
  t.equal(backends.intern('devopssong', 'a', 80).state, 'resolved');
  const dns = backends.intern('devopssong', 'a', 53);
  const other = backends.intern('devopssong', 'a', 8080);
  matches(t, dns, { state: 'missing', addresses: [] });
  matches(t, other, { state: 'missing', addresses: [] });
  t.match(backends.status()[2], { error: /no TCP port 8080/ });
  t.equal(log.filter((line) => line.includes('no TCP port')).length, 2);
  // The document is mended, with the same addresses.
  const mended = [...ports, { name: 'new', port: 8080, protocol: 'TCP', appProtocol: null }] as const;
  resolver.setServices(serviceMap(serviceDocument('a', { clusterIPs: ['10.96.0.1'], ports: mended })));
  matches(t, other, { state: 'resolved', addresses: ['10.96.0.1'] });
});

t.test('SPEC B7: a backend speaks what the appProtocol of its port says, and follows the document', async (t) => {
  const { dns, resolver, log } = await start(t);
  let changes = 0;
  const logger = createLogger('debug', (line) => log.push(line));
  const backends = new BackendRegistry({ resolver, logger, onChange: () => changes++ });
  const apply = (clusterIPs: readonly string[], appProtocol: string | null) => {
    const ports = [{ name: 'a', port: 80, protocol: 'TCP', appProtocol }] as const;
    resolver.setServices(serviceMap(serviceDocument('a', { clusterIPs, ports })));
    backends.beginCompile();
    const backend = backends.intern('devopssong', 'a', 80);
    backends.endCompile();
    return backend;
  };
  dns.zone.set('a.devopssong.svc.cluster.local', { a: ['10.96.0.1'] });
  // Also where the addresses are not those of the document, which then is no news to whoever resolves them.
  for (const clusterIPs of [['10.96.0.1'], []]) {
    const backend = apply(clusterIPs, null);
    await eventually('resolved', () => backend.state === 'resolved');
    t.equal(backend.protocol ?? null, null, 'what the caller speaks');
    for (const [appProtocol, protocol] of [
      ...(['kubernetes.io/h2c', 'h2c', 'http2', 'GRPC'] as const).map((name) => [name, 'http2'] as const),
      ...(['kubernetes.io/ws', 'ws'] as const).map((name) => [name, 'http1'] as const),
      ...([null, 'http', 'grpc-web', 'example.com/own'] as const).map((name) => [name, null] as const),
    ]) {
      const before = backend.protocol ?? null;
      changes = 0;
      t.equal(apply(clusterIPs, appProtocol), backend);
      t.equal(backend.protocol ?? null, protocol, String(appProtocol));
      if (before !== protocol) t.ok(changes > 0, `${appProtocol} is told`);
    }
  }
});

t.test('after a configuration that never came into force a backend is what its document said before', async (t) => {
  const { dns, resolver, backends } = await start(t);
  dns.zone.set('a.devopssong.svc.cluster.local', { a: ['10.96.0.1'] });
  const servicesOf = (appProtocol: string | null, port: number, clusterIPs: readonly string[]) =>
    serviceMap(serviceDocument('a', { clusterIPs, ports: [{ name: 'a', port, protocol: 'TCP', appProtocol }] }));
  for (const clusterIPs of [['10.96.0.1'], []]) {
    const before = servicesOf('grpc', 80, clusterIPs);
    resolver.setServices(before);
    backends.beginCompile();
    const backend = backends.intern('devopssong', 'a', 80);
    backends.endCompile();
    await eventually('resolved', () => backend.state === 'resolved');
    for (const [appProtocol, port] of [
      [null, 80],
      ['grpc', 81],
    ] as const) {
      resolver.setServices(servicesOf(appProtocol, port, clusterIPs));
      backends.beginCompile();
      backends.intern('devopssong', 'a', 80);
      backends.abandonCompile();
      resolver.setServices(before);
      matches(t, backend, { protocol: 'http2', state: 'resolved', addresses: ['10.96.0.1'] }, clusterIPs.join());
    }
  }
});

t.test('a document with ports but without ClusterIPs: address from DNS, ports from the document', async (t) => {
  const { backends, resolver, dns } = await start(t);
  dns.zone.set('a.devopssong.svc.cluster.local', { a: ['10.96.0.1'] });
  resolver.setServices(serviceMap(serviceDocument('a')));
  const good = backends.intern('devopssong', 'a', 80);
  const bad = backends.intern('devopssong', 'a', 81);
  await eventually('resolved', () => good.state === 'resolved');
  matches(t, bad, { state: 'missing', addresses: [] });
});

t.test('SPEC B6: a headless or ExternalName Service is missing', async (t) => {
  const { backends, resolver } = await start(t);
  resolver.setServices(
    serviceMap(serviceDocument('a', { headless: true }), serviceDocument('b', { type: 'ExternalName' })),
  );
  matches(t, backends.intern('devopssong', 'a', 80), { state: 'missing', addresses: [] });
  matches(t, backends.intern('devopssong', 'b', 80), { state: 'missing', addresses: [] });
});

t.test('an unspecified or multicast address is never connected to', async (t) => {
  const { backends, resolver } = await start(t);
  resolver.setServices(
    serviceMap(
      serviceDocument('a', { clusterIPs: ['0.0.0.0'] }),
      serviceDocument('b', { clusterIPs: ['10.96.0.1', 'ff02::1'] }),
      serviceDocument('c', { clusterIPs: ['127.0.0.1'] }),
    ),
  );
  matches(t, backends.intern('devopssong', 'a', 80), { state: 'missing', addresses: [] });
  t.same(backends.intern('devopssong', 'b', 80).addresses, ['10.96.0.1']);
  t.same(backends.intern('devopssong', 'c', 80).addresses, ['127.0.0.1'], 'loopback is the choice of the operator');
  t.match(backends.status()[0], { error: '0.0.0.0 is unspecified' });
});

t.test('an answer of DNS that cannot be used leaves a backend its last good address', async (t) => {
  const { backends, dns } = await start(t);
  dns.zone.set('a.devopssong.svc.cluster.local', { a: ['10.96.0.1'] });
  const backend = backends.intern('devopssong', 'a', 80);
  await eventually('resolved', () => backend.state === 'resolved');
  for (const a of ['0.0.0.0', '127.0.0.1', '224.0.0.1', '255.255.255.255', '169.254.1.1']) {
    dns.zone.set('a.devopssong.svc.cluster.local', { a: [a] });
    await eventually(`${a} is refused`, () => backends.status()[0]?.error?.startsWith(`${a} is `));
    matches(t, backend, { state: 'resolved', addresses: ['10.96.0.1'] }, a);
  }
  dns.zone.set('a.devopssong.svc.cluster.local', { a: ['10.96.0.2'] });
  await eventually('changed', () => backend.addresses[0] === '10.96.0.2');
  t.equal(backends.status()[0]?.error, null);
});

t.test('a backend follows DNS', async (t) => {
  const { backends, dns } = await start(t);
  const backend = backends.intern('devopssong', 'a', 80);
  await eventually('missing', () => backend.state === 'missing');
  dns.zone.set('a.devopssong.svc.cluster.local', { a: ['10.96.0.1'] });
  await eventually('resolved', () => backend.state === 'resolved');
  dns.zone.set('a.devopssong.svc.cluster.local', { a: ['10.96.0.2'] });
  await eventually('changed', () => backend.addresses[0] === '10.96.0.2');
  dns.fault = () => 'nxdomain';
  await eventually('stale', () => backends.status()[0]?.error === 'cluster DNS knows no such Service (ENOTFOUND)');
  matches(t, backend, { state: 'resolved', addresses: ['10.96.0.2'] });
});

t.test('backends that the new tables do not have keep what is known and are no longer looked up', async (t) => {
  const { backends, resolver, dns } = await start(t);
  dns.zone.set('a.devopssong.svc.cluster.local', { a: ['10.96.0.1'] });
  dns.zone.set('b.devopssong.svc.cluster.local', { a: ['10.96.0.2'] });
  backends.beginCompile();
  const a = backends.intern('devopssong', 'a', 80);
  const b = backends.intern('devopssong', 'b', 80);
  backends.endCompile();
  await eventually('both', () => a.state === 'resolved' && b.state === 'resolved');

  // A compilation that fails takes nothing away.
  backends.beginCompile();
  t.equal(resolver.status().length, 2);

  backends.beginCompile();
  t.equal(backends.intern('devopssong', 'b', 80), b);
  backends.endCompile();
  t.same(
    resolver.status().map((status) => status.name),
    ['b'],
  );
  matches(t, a, { state: 'resolved', addresses: ['10.96.0.1'] });
  t.same(
    backends.status().map((status) => status.backend.name),
    ['b'],
  );

  dns.zone.set('a.devopssong.svc.cluster.local', { a: ['10.96.0.3'] });
  backends.beginCompile();
  t.equal(backends.intern('devopssong', 'a', 80), a);
  backends.endCompile();
  matches(t, a, { addresses: ['10.96.0.1'] }, 'the last good address until there is a new one');
  await eventually('looked up again', () => a.addresses[0] === '10.96.0.3');
});

t.test('a backend follows a Service that was made anew, whatever its document says', async (t) => {
  const { backends, resolver, dns } = await start(t);
  dns.zone.set('a.devopssong.svc.cluster.local', { a: ['10.96.0.2'] });
  resolver.setServices(serviceMap(serviceDocument('a', { clusterIPs: ['10.96.0.1'] })));
  const backend = backends.intern('devopssong', 'a', 80);
  const wrong = backends.intern('devopssong', 'a', 81);
  matches(t, backend, { state: 'resolved', addresses: ['10.96.0.1'] });
  await eventually('followed', () => backend.addresses.join() === '10.96.0.2');
  t.match(wrong, { state: 'missing' }, 'its ports still count');
});

t.test(
  'a backend that no table has is kept while something needs it or an edit may bring it back, then its id is free',
  async (t) => {
    const needed = new Set<number>();
    const dropped: number[] = [];
    const { backends, resolver } = await start(t, (id) => {
      if (needed.has(id)) return false;
      dropped.push(id);
      return true;
    });
    resolver.setServices(serviceMap(serviceDocument('a', { clusterIPs: ['10.96.0.1'] })));
    const compile = (...names: string[]) => {
      backends.beginCompile();
      const found = names.map((name) => backends.intern('devopssong', name, 80));
      backends.endCompile();
      return found;
    };
    const [a, busy] = compile('a', 'busy');
    needed.add(busy!.id);
    compile('b');
    t.equal(compile('a', 'b')[0], a, 'what comes back soon is the same object');
    compile('b');
    for (let i = 0; i < 2_000; i++) compile('b', `other${i}`);
    t.ok(backends.keys.length < 300, `${backends.keys.length} ids for 2,003 backends`);
    t.equal(backends.keys[busy!.id], 'devopssong/busy:80');
    t.not(backends.keys[a!.id], 'devopssong/a:80');
    t.ok(dropped.includes(a!.id));
    const [again] = compile('a', 'b');
    t.not(again, a, 'after so long it is a new object');
    matches(t, again, { state: 'resolved', addresses: ['10.96.0.1'] });
    t.equal(new Set(backends.status().map(({ backend }) => backend.id)).size, 2);
  },
);
