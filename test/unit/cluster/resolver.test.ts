import { spawn } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { ServiceResolver } from '../../../src/cluster/resolver.ts';
import type { ServiceResolverOptions, Subscription } from '../../../src/cluster/resolver.ts';
import type { ServiceAddresses } from '../../../src/cluster/service-addresses.ts';
import type { Service } from '../../../src/gateway-api/types.ts';
import { createLogger } from '../../../src/log.ts';
import { DnsServer } from '../../support/dns-server.ts';
import { eventually } from '../../support/eventually.ts';
import { matches } from '../../support/match.ts';

const NAME = 'my-server.devopssong.svc.cluster.local';

class Fixture {
  readonly dns: DnsServer;
  readonly resolver: ServiceResolver;
  readonly log: string[] = [];
  /** What `my-server` was, in order. */
  readonly seen: ServiceAddresses[] = [];

  private constructor(dns: DnsServer, options: Partial<ServiceResolverOptions>) {
    this.dns = dns;
    this.resolver = new ServiceResolver({
      logger: createLogger('debug', (line) => this.log.push(line)),
      servers: [dns.address],
      clusterDomain: 'cluster.local',
      timeoutMs: 250,
      deadlineMs: 400,
      retryMs: 50,
      minTtlMs: 50,
      maxTtlMs: 200,
      ...options,
    });
  }

  static async start(test: Test, options: Partial<ServiceResolverOptions> = {}): Promise<Fixture> {
    const dns = await DnsServer.start();
    test.teardown(() => dns.close());
    const fixture = new Fixture(dns, options);
    test.teardown(() => fixture.resolver.close());
    return fixture;
  }

  subscribe(): Subscription {
    const subscription: Subscription = this.resolver.subscribe('devopssong', 'my-server', () =>
      this.seen.push(subscription.current),
    );
    return subscription;
  }
}

async function becomes(subscription: Subscription, ...addresses: string[]): Promise<void> {
  await eventually(
    `${addresses.join()}, now ${subscription.current.addresses.join()}`,
    () => subscription.current.addresses.join() === addresses.join(),
  );
}

function service(fields: Partial<Service>): ReadonlyMap<string, Service> {
  const document: Service = {
    kind: 'Service',
    namespace: 'devopssong',
    name: 'my-server',
    type: 'ClusterIP',
    headless: false,
    clusterIPs: [],
    managed: false,
    ports: [{ name: null, port: 80, protocol: 'TCP', appProtocol: null }],
    source: { file: 'services.yaml', document: 1, line: 1 },
    ...fields,
  };
  return new Map([['devopssong/my-server', document]]);
}

t.test('a name is resolved through DNS, both families, IPv4 first', async (t) => {
  const { dns, resolver, subscribe, seen } = await bound(t);
  dns.zone.set(NAME, { a: ['10.96.0.10'], aaaa: ['fd00:96::a'], ttl: 30 });
  const subscription = subscribe();
  matches(t, subscription.current, { state: 'pending', addresses: [] });
  await becomes(subscription, '10.96.0.10', 'fd00:96::a');
  t.same(subscription.current, {
    state: 'resolved',
    addresses: ['10.96.0.10', 'fd00:96::a'],
    source: 'dns',
    verdict: null,
    unroutable: null,
    stale: false,
    error: null,
  });
  t.same(resolver.status(), [{ namespace: 'devopssong', name: 'my-server', ...subscription.current }]);
  t.ok(seen.length >= 1);
  t.equal(dns.count(NAME), 2);
});

t.test('IPv6 first, when configured', async (t) => {
  const { dns, subscribe } = await bound(t, { ipFamilies: [6, 4] });
  dns.zone.set(NAME, { a: ['10.96.0.10'], aaaa: ['fd00:96::a'] });
  await becomes(subscribe(), 'fd00:96::a', '10.96.0.10');
});

t.test('IPv4 only, when configured: the other family is not asked for', async (t) => {
  const { dns, subscribe } = await bound(t, { ipFamilies: [4] });
  dns.zone.set(NAME, { a: ['10.96.0.10'], aaaa: ['fd00:96::a'] });
  await becomes(subscribe(), '10.96.0.10');
  t.equal(dns.count(NAME, 'AAAA'), 0);
});

t.test('a Service with an IPv6 address only is resolved', async (t) => {
  const { dns, subscribe } = await bound(t);
  dns.zone.set(NAME, { aaaa: ['fd00:96::a'] });
  const subscription = subscribe();
  await becomes(subscription, 'fd00:96::a');
  t.equal(subscription.current.error, null);
});

t.test('a server reached through IPv6 is asked', async (t) => {
  const dns = await DnsServer.start('::1');
  t.teardown(() => dns.close());
  const { subscribe } = await bound(t, { servers: [dns.address] });
  dns.zone.set(NAME, { a: ['10.96.0.10'] });
  await becomes(subscribe(), '10.96.0.10');
});

t.test('a changed address is used within TTL + 1 s', async (t) => {
  const { dns, subscribe } = await bound(t, { minTtlMs: 1_000, maxTtlMs: 30_000 });
  dns.zone.set(NAME, { a: ['10.96.0.10'], ttl: 1 });
  const subscription = subscribe();
  await becomes(subscription, '10.96.0.10');
  for (const address of ['10.96.0.11', '10.96.0.12']) {
    dns.zone.set(NAME, { a: [address], ttl: 1 });
    const start = performance.now();
    await becomes(subscription, address);
    t.ok(performance.now() - start < 2_000);
  }
});

t.test('names are asked for again after their TTL, between the floor and the ceiling', async (t) => {
  const { dns, subscribe } = await bound(t, { minTtlMs: 100, maxTtlMs: 300 });
  dns.zone.set(NAME, { a: ['10.96.0.10'], ttl: 0 });
  const subscription = subscribe();
  await becomes(subscription, '10.96.0.10');
  const start = performance.now();
  await eventually('five more', () => dns.count(NAME, 'A') >= 6);
  t.ok(performance.now() - start >= 450, 'a TTL of 0 does not make a busy loop');
  dns.zone.set(NAME, { a: ['10.96.0.10'], ttl: 3_600 });
  const asked = dns.count(NAME, 'A');
  await eventually('the ceiling', () => dns.count(NAME, 'A') >= asked + 3, 2_000);
});

for (const [title, fault, error] of [
  ['a server that does not answer', 'drop', 'ETIMEOUT'],
  ['SERVFAIL', 'servfail', 'ESERVFAIL'],
  ['REFUSED', 'refused', 'EREFUSED'],
  ['NXDOMAIN', 'nxdomain', 'ENOTFOUND'],
] as const) {
  t.test(`${title} keeps the last good addresses, and recovery is noticed`, async (t) => {
    const { dns, subscribe, seen, log } = await bound(t);
    dns.zone.set(NAME, { a: ['10.96.0.10'], aaaa: ['fd00:96::a'] });
    const subscription = subscribe();
    await becomes(subscription, '10.96.0.10', 'fd00:96::a');
    dns.fault = () => fault;
    await eventually('stale', () => subscription.current.stale);
    t.same(subscription.current, {
      state: 'resolved',
      addresses: ['10.96.0.10', 'fd00:96::a'],
      source: 'dns',
      verdict: null,
      unroutable: null,
      stale: true,
      error,
    });
    const asked = dns.count(NAME);
    await eventually('asked again', () => dns.count(NAME) >= asked + 4);
    dns.zone.set(NAME, { a: ['10.96.0.11'] });
    dns.fault = () => null;
    await becomes(subscription, '10.96.0.11');
    await eventually('fresh', () => !subscription.current.stale);
    t.notOk(seen.some((current) => current.state === 'resolved' && current.addresses.length === 0));
    t.equal(log.filter((line) => line.includes('last good one is kept')).length, 1, 'logged once');
  });
}

const UNUSABLE = [
  { title: '0.0.0.0', answer: { a: ['0.0.0.0'] }, error: '0.0.0.0 is unspecified', fault: 'unspecified' },
  { title: '::', answer: { aaaa: ['::'] }, error: ':: is unspecified', fault: 'unspecified' },
  { title: 'loopback', answer: { a: ['127.0.0.1'] }, error: '127.0.0.1 is loopback', fault: 'loopback' },
  { title: 'loopback, IPv6', answer: { aaaa: ['::1'] }, error: '::1 is loopback', fault: 'loopback' },
  { title: 'link-local', answer: { a: ['169.254.1.1'] }, error: '169.254.1.1 is link-local', fault: 'link_local' },
  { title: 'link-local, IPv6', answer: { aaaa: ['fe80::1'] }, error: 'fe80::1 is link-local', fault: 'link_local' },
  { title: 'multicast', answer: { a: ['224.0.0.1'] }, error: '224.0.0.1 is multicast', fault: 'multicast' },
  {
    title: 'broadcast',
    answer: { a: ['255.255.255.255'] },
    error: '255.255.255.255 is the broadcast address',
    fault: 'broadcast',
  },
  {
    title: 'IPv4 in IPv6',
    answer: { aaaa: ['::ffff:a60:a'] },
    error: '::ffff:10.96.0.10 is an IPv4-mapped IPv6 address',
    fault: 'ipv4_mapped',
  },
  {
    title: 'the capture address of the proxy',
    answer: { a: ['10.244.0.5'] },
    error: '10.244.0.5 is where this proxy takes captured connections',
    fault: 'own',
  },
] as const;

for (const { title, answer, error, fault } of UNUSABLE) {
  t.test(`an answer of ${title} is a failure: the last good addresses are kept`, async (t) => {
    const { dns, subscribe, resolver, seen, log } = await bound(t, { ownAddresses: ['10.244.0.5'] });
    dns.zone.set(NAME, { a: ['10.96.0.10'], aaaa: ['fd00:96::a'] });
    const subscription = subscribe();
    await becomes(subscription, '10.96.0.10', 'fd00:96::a');
    dns.zone.set(NAME, answer);
    await eventually('stale', () => subscription.current.stale);
    t.same(subscription.current, {
      state: 'resolved',
      addresses: ['10.96.0.10', 'fd00:96::a'],
      source: 'dns',
      verdict: null,
      unroutable: null,
      stale: true,
      error,
    });
    await eventually('counted', () => resolver.statistics().lookups.failed >= 2);
    t.ok((resolver.statistics().unusable[fault] ?? 0) >= 2, 'each time, with what is wrong');
    t.equal(log.filter((line) => line.includes('an address that no Service can have')).length, 1, 'logged once');
    dns.zone.set(NAME, { a: ['10.96.0.11'] });
    await becomes(subscription, '10.96.0.11');
    await eventually(
      'fresh, nothing left out',
      () => !subscription.current.stale && subscription.current.error === null,
    );
    t.not(seen.length, 0);
    for (const { addresses } of seen) {
      t.match(addresses.join(), /^(10\.96\.0\.10|10\.96\.0\.10,fd00:96::a|10\.96\.0\.11|10\.96\.0\.11,fd00:96::a)?$/);
    }
  });
}

t.test('a name whose answers could never be used is pending, not resolved', async (t) => {
  const { dns, subscribe, seen } = await bound(t);
  dns.zone.set(NAME, { a: ['127.0.0.1'], aaaa: ['::'] });
  const subscription = subscribe();
  await eventually('asked', () => subscription.current.error !== null);
  matches(t, subscription.current, {
    state: 'pending',
    addresses: [],
    error: /(127\.0\.0\.1 is loopback|:: is unspecified)/,
  });
  dns.zone.set(NAME, { a: ['10.96.0.10'] });
  await becomes(subscription, '10.96.0.10');
  t.notOk(seen.some((current) => current.state === 'resolved' && current.addresses.length === 0));
});

t.test('of a mixed answer what can be used is used, and what was left out is said', async (t) => {
  const { dns, subscribe, resolver } = await bound(t);
  dns.zone.set(NAME, { a: ['0.0.0.0', '10.96.0.10', '127.0.0.1'], aaaa: ['fd00:96::a'] });
  const subscription = subscribe();
  await becomes(subscription, '10.96.0.10', 'fd00:96::a');
  await eventually('answered', () => resolver.statistics().lookups.answered >= 1);
  t.match(subscription.current, { stale: false, error: '0.0.0.0 is unspecified, 127.0.0.1 is loopback' });
  t.match(resolver.statistics(), { lookups: { failed: 0 }, unusable: { unspecified: /[1-9]/, loopback: /[1-9]/ } });
  // One family can not be used: its last good address stays, and the other one changes.
  dns.zone.set(NAME, { a: ['10.96.0.11'], aaaa: ['ff02::1'] });
  await becomes(subscription, '10.96.0.11', 'fd00:96::a');
  dns.zone.set(NAME, { a: ['10.96.0.12'] });
  await becomes(subscription, '10.96.0.12');
  await eventually('nothing is left out', () => subscription.current.error === null);
});

t.test('an answer that is cut off is asked for again over TCP', async (t) => {
  const dns = await DnsServer.startWithTcp();
  t.teardown(() => dns.close());
  const { subscribe } = await bound(t, { servers: [dns.address] });
  dns.truncates = true;
  dns.zone.set(NAME, { a: ['10.96.0.10'], aaaa: ['fd00:96::a'] });
  await becomes(subscribe(), '10.96.0.10', 'fd00:96::a');
});

t.test('an answer that is cut off, and nothing over TCP: the last good address is kept', async (t) => {
  const { dns, subscribe, seen } = await bound(t);
  dns.zone.set(NAME, { a: ['10.96.0.10'] });
  const subscription = subscribe();
  await becomes(subscription, '10.96.0.10');
  dns.truncates = true;
  await eventually('stale', () => subscription.current.stale);
  t.same(subscription.current.addresses, ['10.96.0.10']);
  dns.truncates = false;
  await eventually('fresh', () => !subscription.current.stale);
  t.notOk(seen.some((current) => current.state === 'resolved' && current.addresses.length === 0));
});

t.test('a chain of names ends in the addresses of the last one; the name is asked for as it is', async (t) => {
  const { dns, subscribe } = await bound(t);
  dns.zone.set(NAME, { cname: 'other.devopssong.svc.cluster.local', a: ['10.96.0.10'], ttl: 0 });
  await becomes(subscribe(), '10.96.0.10');
  t.same([...new Set(dns.queries.map((query) => query.split(' ')[1]))], [NAME], 'no search domain behind it');
});

t.test('a name that does not exist is missing, and is found once it exists', async (t) => {
  const { dns, subscribe } = await bound(t);
  const subscription = subscribe();
  await eventually('missing', () => subscription.current.state === 'missing');
  t.equal(subscription.current.error, 'ENOTFOUND');
  dns.zone.set(NAME, { a: ['10.96.0.10'] });
  await becomes(subscription, '10.96.0.10');
});

t.test('a name without addresses is missing', async (t) => {
  const { dns, subscribe } = await bound(t);
  dns.zone.set(NAME, {});
  const subscription = subscribe();
  await eventually('missing', () => subscription.current.state === 'missing');
  t.equal(subscription.current.error, 'ENODATA');
});

t.test('statistics tell how old the oldest answer in use is, and what lookups came to', async (t) => {
  const { dns, subscribe, resolver } = await bound(t);
  dns.zone.set(NAME, { a: ['10.96.0.10'] });
  const subscription = subscribe();
  await becomes(subscription, '10.96.0.10');
  await eventually('the lookup has ended', () => resolver.statistics().lookups.answered >= 1);
  t.ok(resolver.statistics().lookupMs > 0, 'lookups take time');
  t.match(resolver.statistics().services, { resolved: 1, stale: 0, pending: 0, missing: 0 });
  dns.fault = () => 'servfail';
  await eventually('stale', () => subscription.current.stale);
  const { services, oldestAnswerMs, lookups } = resolver.statistics();
  t.match(services, { resolved: 0, stale: 1 });
  t.ok(lookups.failed >= 1, 'the failure is counted');
  await eventually('it grows older', () => resolver.statistics().oldestAnswerMs > oldestAnswerMs);
  dns.fault = () => null;
  await eventually('it is fresh again', () => !subscription.current.stale);
  subscription.close();
  t.match(resolver.statistics(), { services: { resolved: 0, stale: 0 }, oldestAnswerMs: 0 }, 'nothing is wanted');
});

t.test('a name that could never be asked for is pending, not missing', async (t) => {
  const { dns, subscribe, resolver } = await bound(t);
  dns.fault = () => 'servfail';
  const subscription = subscribe();
  await eventually('failed twice', () => resolver.statistics().lookups.failed >= 2);
  t.match(resolver.statistics(), {
    lookups: { answered: 0 },
    services: { pending: 1, resolved: 0 },
    oldestAnswerMs: 0,
  });
  matches(t, subscription.current, { state: 'pending', addresses: [], error: 'ESERVFAIL' });
  dns.fault = () => null;
  dns.zone.set(NAME, { a: ['10.96.0.10'] });
  await becomes(subscription, '10.96.0.10');
});

t.test('a family that is never answered does not delay the other one', async (t) => {
  const { dns, subscribe } = await bound(t, { deadlineMs: 3_000, timeoutMs: 1_000 });
  dns.zone.set(NAME, { a: ['10.96.0.10'], aaaa: ['fd00:96::a'] });
  dns.fault = (_name, type) => (type === 'AAAA' ? 'drop' : null);
  const subscription = subscribe();
  const start = performance.now();
  await becomes(subscription, '10.96.0.10');
  t.ok(performance.now() - start < 1_000);
  dns.fault = () => null;
  await becomes(subscription, '10.96.0.10', 'fd00:96::a');
});

t.test('a family that fails keeps its last good address while the other one changes', async (t) => {
  const { dns, subscribe } = await bound(t);
  dns.zone.set(NAME, { a: ['10.96.0.10'], aaaa: ['fd00:96::a'] });
  const subscription = subscribe();
  await becomes(subscription, '10.96.0.10', 'fd00:96::a');
  dns.fault = (_name, type) => (type === 'AAAA' ? 'servfail' : null);
  dns.zone.set(NAME, { a: ['10.96.0.11'] });
  await becomes(subscription, '10.96.0.11', 'fd00:96::a');
  // NODATA is an answer: now the address is known to be gone.
  dns.fault = () => null;
  await becomes(subscription, '10.96.0.11');
});

t.test('failures are retried more and more slowly, up to the ceiling', async (t) => {
  const { dns, subscribe } = await bound(t, { retryMs: 50, maxTtlMs: 400 });
  const times: number[] = [];
  dns.fault = (_name, type) => {
    if (type === 'A') times.push(performance.now());
    return 'nxdomain';
  };
  subscribe();
  await eventually('seven attempts', () => times.length >= 7);
  const gaps = times.slice(1).map((time, i) => time - times[i]!);
  t.ok(gaps[0]! < gaps[2]!, `gaps ${gaps.map(Math.round).join()}`);
  t.ok(gaps[3]! >= 350 && gaps[5]! >= 350, `gaps ${gaps.map(Math.round).join()}`);
});

t.test('there is one lookup of a name at a time, however many want it', async (t) => {
  const { dns, subscribe } = await bound(t, { minTtlMs: 50, deadlineMs: 5_000, timeoutMs: 5_000 });
  dns.zone.set(NAME, { a: ['10.96.0.10'], ttl: 0 });
  dns.fault = () => ({ delayMs: 300 });
  const subscriptions = [subscribe(), subscribe(), subscribe()];
  await eventually('asked', () => dns.count(NAME, 'A') === 1);
  for (const subscription of subscriptions) await becomes(subscription, '10.96.0.10');
  t.equal(dns.count(NAME, 'A'), 1);
});

t.test('the number of names looked up at the same time is bounded', async (t) => {
  const { dns, resolver } = await bound(t, { concurrency: 3, deadlineMs: 5_000, timeoutMs: 5_000 });
  let open = 0;
  let most = 0;
  dns.fault = (name, type) => {
    if (type === 'A') most = Math.max(most, ++open);
    setTimeout(() => (type === 'A' ? open-- : 0), 30);
    dns.zone.set(name, { a: ['10.96.0.10'], ttl: 600 });
    return { delayMs: 30 };
  };
  for (let i = 0; i < 20; i++) resolver.subscribe('n', `s${i}`, () => undefined);
  await eventually('all resolved', () => resolver.status().every((status) => status.state === 'resolved'));
  t.ok(most <= 3, `${most} at the same time`);
});

t.test('a lookup ends at its deadline, whatever c-ares does', async (t) => {
  const { dns, subscribe } = await bound(t, { timeoutMs: 60_000, deadlineMs: 100, retryMs: 60_000, maxTtlMs: 60_000 });
  dns.fault = () => 'drop';
  const subscription = subscribe();
  await eventually('given up', () => subscription.current.error === 'ETIMEOUT');
});

t.test('a name that is no longer wanted is no longer asked for', async (t) => {
  const { dns, subscribe, resolver } = await bound(t, { minTtlMs: 50, maxTtlMs: 50 });
  const other = 'other.devopssong.svc.cluster.local';
  dns.zone.set(NAME, { a: ['10.96.0.10'] });
  dns.zone.set(other, { a: ['10.96.0.11'] });
  const [one, two] = [subscribe(), subscribe()];
  resolver.subscribe('devopssong', 'other', () => undefined);
  await becomes(one, '10.96.0.10');
  one.close();
  let asked = dns.count(NAME);
  await eventually('still wanted by the second', () => dns.count(NAME) > asked);
  two.close();
  two.close();
  t.same(
    resolver.status().map((status) => status.name),
    ['other'],
  );
  asked = dns.count(NAME);
  const askedOther = dns.count(other, 'A');
  await eventually('the other one goes on', () => dns.count(other, 'A') >= askedOther + 4);
  t.ok(dns.count(NAME) <= asked + 2, 'at most what was on its way');
});

t.test('several addresses are sorted, all used, and said to look like a headless Service', async (t) => {
  const { dns, subscribe, log, seen } = await bound(t, { minTtlMs: 50, maxTtlMs: 50 });
  dns.zone.set(NAME, { a: ['10.1.0.3', '10.1.0.1', '10.1.0.1'] });
  const subscription = subscribe();
  await becomes(subscription, '10.1.0.1', '10.1.0.3');
  const changes = seen.length;
  dns.zone.set(NAME, { a: ['10.1.0.1', '10.1.0.3'] });
  const asked = dns.count(NAME, 'A');
  await eventually('asked again', () => dns.count(NAME, 'A') >= asked + 3);
  t.equal(seen.length, changes, 'rotation is no change');
  t.equal(log.filter((line) => line.includes('headless')).length, 1);
});

t.test('a Service document that is kept current needs no DNS', async (t) => {
  const { dns, subscribe, resolver } = await bound(t);
  dns.zone.set(NAME, { a: ['10.96.0.9'] });
  resolver.setServices(service({ clusterIPs: ['fd00:96::1', '10.96.0.1'], managed: true }));
  const subscription = subscribe();
  t.same(subscription.current, {
    state: 'resolved',
    addresses: ['10.96.0.1', 'fd00:96::1'],
    source: 'document',
    verdict: null,
    unroutable: null,
    stale: false,
    error: null,
  });
  t.equal(subscription.service?.name, 'my-server');
  resolver.setServices(service({ clusterIPs: ['10.96.0.2'], managed: true }));
  t.same(subscription.current.addresses, ['10.96.0.2']);
  const other = resolver.subscribe('devopssong', 'other', () => undefined);
  await eventually('the other one asked', () => other.current.state === 'missing');
  t.equal(dns.count(NAME), 0);
  t.same(resolver.problems, []);
});

t.test('a Service document with ClusterIPs holds at once, and DNS confirms it', async (t) => {
  const { dns, subscribe, resolver, log } = await bound(t);
  dns.zone.set(NAME, { a: ['10.96.0.1'], ttl: 0 });
  resolver.setServices(service({ clusterIPs: ['10.96.0.1'] }));
  const subscription = subscribe();
  matches(t, subscription.current, {
    state: 'resolved',
    addresses: ['10.96.0.1'],
    source: 'document',
    verdict: 'silent',
  });
  await eventually('confirmed', () => subscription.current.verdict === 'agrees');
  matches(t, subscription.current, { addresses: ['10.96.0.1'], source: 'document', stale: false, error: null });
  t.match(resolver.statistics(), { documents: { agrees: 1, silent: 0 }, services: { resolved: 0 }, oldestAnswerMs: 0 });
  t.same(resolver.problems, []);
  t.notMatch(log.join(''), /"level":"warn"/);
});

t.test('a document with one family does not keep the other one out', async (t) => {
  const { dns, subscribe, resolver } = await bound(t);
  dns.zone.set(NAME, { a: ['10.96.0.1'], aaaa: ['fd00:96::1'] });
  resolver.setServices(service({ clusterIPs: ['10.96.0.1'] }));
  const subscription = subscribe();
  await becomes(subscription, '10.96.0.1', 'fd00:96::1');
  t.match(subscription.current, { verdict: 'agrees', source: 'document' });
});

t.test('a Service that was made anew: where the document differs, DNS is followed, and it is said', async (t) => {
  const { dns, subscribe, resolver, seen, log } = await bound(t);
  dns.zone.set(NAME, { a: ['10.96.0.1'], aaaa: ['fd00:96::1'] });
  const documents = service({ clusterIPs: ['10.96.0.1', 'fd00:96::1'] });
  resolver.setServices(documents);
  const subscription = subscribe();
  await eventually('confirmed', () => subscription.current.verdict === 'agrees');
  dns.zone.set(NAME, { a: ['10.96.0.2'], aaaa: ['fd00:96::2'] });
  await becomes(subscription, '10.96.0.2', 'fd00:96::2');
  t.match(subscription.current, { state: 'resolved', source: 'dns', verdict: 'differs', stale: false });
  t.equal(subscription.service?.name, 'my-server', 'its ports still count');
  matches(t, resolver.problems, [
    {
      severity: 'warning',
      code: 'document-outdated',
      file: 'services.yaml',
      resource: 'Service devopssong/my-server',
      path: 'spec.clusterIPs',
      message: /^10\.96\.0\.1, fd00:96::1 is not what cluster DNS says, which is followed: 10\.96\.0\.2, fd00:96::2/,
    },
  ]);
  t.match(resolver.statistics(), { documents: { differs: 1, agrees: 0 }, services: { resolved: 1 } });
  t.equal(log.filter((line) => line.includes('not the one of the document any more')).length, 1);
  // The same documents again, as with every change of a route: nothing goes back.
  const changes = seen.length;
  resolver.setServices(documents);
  t.same(subscription.current.addresses, ['10.96.0.2', 'fd00:96::2']);
  t.notOk(seen.slice(changes).some(({ addresses }) => addresses.includes('10.96.0.1')));
  // What is known to be wrong is not believed for want of an answer.
  for (const fault of ['servfail', 'nxdomain'] as const) {
    dns.fault = () => fault;
    await eventually(fault, () => subscription.current.stale);
    matches(t, subscription.current, { addresses: ['10.96.0.2', 'fd00:96::2'], verdict: 'differs' });
    dns.fault = () => null;
    await eventually('fresh', () => !subscription.current.stale);
  }
  resolver.setServices(service({ clusterIPs: ['10.96.0.2', 'fd00:96::2'] }));
  await eventually('written anew', () => subscription.current.verdict === 'agrees');
  t.same(resolver.problems, []);
  t.match(log.join(''), /cluster DNS and the document agree again/);
});

t.test(
  'a document that is newer than what DNS has in its caches is believed; what DNS still says is known as the former address',
  async (t) => {
    const { dns, subscribe, resolver } = await bound(t);
    dns.zone.set(NAME, { a: ['10.96.0.1'] });
    resolver.setServices(service({ clusterIPs: ['10.96.0.1'] }));
    const subscription = subscribe();
    await eventually('confirmed', () => subscription.current.verdict === 'agrees');
    // Deleted and made anew, as a controller tells it: first there is none, then another one.
    resolver.setServices(new Map());
    resolver.setServices(service({ clusterIPs: ['10.96.0.2'] }));
    const expected = { addresses: ['10.96.0.2'], former: ['10.96.0.1'], verdict: 'silent', source: 'document' };
    t.match(subscription.current, expected);
    const asked = dns.count(NAME);
    await eventually('DNS says the former address again', () => dns.count(NAME) >= asked + 4);
    t.match(subscription.current, expected);
    t.same(resolver.problems, []);
    resolver.setServices(service({ clusterIPs: ['10.96.0.3'] }));
    matches(t, subscription.current, { ...expected, addresses: ['10.96.0.3'] }, 'and made anew once more');
    dns.zone.set(NAME, { a: ['10.96.0.3'] });
    await eventually('confirmed', () => subscription.current.verdict === 'agrees');
    t.equal(subscription.current.former, undefined);
    // Long after that an answer is news again.
    dns.zone.set(NAME, { a: ['10.96.0.1'] });
    await becomes(subscription, '10.96.0.1');
    t.equal(subscription.current.verdict, 'differs');
  },
);

t.test('DNS that says the former address for longer than caches do is followed', async (t) => {
  const { dns, subscribe, resolver } = await bound(t, { outdatedMs: 300 });
  dns.zone.set(NAME, { a: ['10.96.0.1'] });
  resolver.setServices(service({ clusterIPs: ['10.96.0.1'] }));
  const subscription = subscribe();
  await eventually('confirmed', () => subscription.current.verdict === 'agrees');
  resolver.setServices(service({ clusterIPs: ['10.96.0.2'] }));
  await becomes(subscription, '10.96.0.1');
  t.match(subscription.current, { verdict: 'differs', source: 'dns' });
  t.equal(subscription.current.former, undefined);
});

t.test('an address that was given to another Service is no former address', async (t) => {
  const { dns, subscribe, resolver } = await bound(t);
  dns.zone.set(NAME, { a: ['10.96.0.1'] });
  resolver.setServices(service({ clusterIPs: ['10.96.0.1'] }));
  const subscription = subscribe();
  await eventually('confirmed', () => subscription.current.verdict === 'agrees');
  const other = service({ name: 'other', clusterIPs: ['10.96.0.1'] }).get('devopssong/my-server')!;
  resolver.setServices(new Map([...service({ clusterIPs: ['10.96.0.2'] }), ['devopssong/other', other]]));
  matches(t, subscription.current, { addresses: ['10.96.0.2'], former: [], verdict: 'silent' });
});

t.test('one family of the document differs: neither of its addresses is used', async (t) => {
  const { dns, subscribe, resolver } = await bound(t);
  dns.zone.set(NAME, { a: ['10.96.0.2'] });
  dns.fault = (_name, type) => (type === 'AAAA' ? 'servfail' : null);
  resolver.setServices(service({ clusterIPs: ['10.96.0.1', 'fd00:96::1'] }));
  const subscription = subscribe();
  await becomes(subscription, '10.96.0.2');
  t.equal(subscription.current.verdict, 'differs');
});

t.test('a document whose Service has become headless, or is of another family now, differs', async (t) => {
  const documented = ['10.96.0.1', 'fd00:96::1'];
  for (const [clusterIPs, answer] of [
    [documented, { a: ['10.96.0.1', '10.96.0.9'], aaaa: ['fd00:96::1'] }],
    [documented, { a: ['10.96.0.2'], aaaa: [] }],
    [['fd00:96::1'], { a: ['10.96.0.1'], aaaa: [] }],
  ] as const) {
    const { dns, subscribe, resolver } = await bound(t);
    dns.zone.set(NAME, answer);
    resolver.setServices(service({ clusterIPs }));
    const subscription = subscribe();
    await eventually('differs', () => subscription.current.verdict === 'differs');
    await becomes(subscription, ...answer.a, ...answer.aaaa);
  }
});

t.test(
  'no answer of one family beside a good one of the other says nothing: the document keeps its address',
  async (t) => {
    for (const [family, answer] of [
      ['AAAA', { a: ['10.96.0.1'] }],
      ['A', { aaaa: ['fd00:96::1'] }],
    ] as const) {
      const { dns, subscribe, resolver } = await bound(t);
      dns.zone.set(NAME, answer);
      resolver.setServices(service({ clusterIPs: ['10.96.0.1', 'fd00:96::1'] }));
      const subscription = subscribe();
      await eventually('DNS has been asked for both', () => subscription.current.verdict !== 'silent');
      t.match(subscription.current, { verdict: 'agrees', source: 'document', stale: false, error: null }, family);
      t.same(subscription.current.addresses, ['10.96.0.1', 'fd00:96::1'], family);
      t.same(resolver.problems, []);
    }
  },
);

t.test('a document whose Service DNS does not know is believed, and it is said', async (t) => {
  const { dns, subscribe, resolver, log } = await bound(t);
  resolver.setServices(service({ clusterIPs: ['10.96.0.1'] }));
  const subscription = subscribe();
  await eventually('unknown', () => subscription.current.verdict === 'unknown');
  matches(t, subscription.current, {
    state: 'resolved',
    addresses: ['10.96.0.1'],
    source: 'document',
    error: 'ENOTFOUND',
  });
  matches(t, resolver.problems, [
    { severity: 'warning', code: 'document-unknown', message: /does not know this Service.* 10\.96\.0\.1 used/ },
  ]);
  t.match(resolver.statistics().documents, { unknown: 1 });
  t.equal(log.filter((line) => line.includes('its document is believed')).length, 1);
  dns.zone.set(NAME, { a: ['10.96.0.1'] });
  await eventually('known', () => subscription.current.verdict === 'agrees');
  t.same(resolver.problems, []);
  // Deleted later on.
  dns.zone.delete(NAME);
  await eventually('unknown again', () => subscription.current.verdict === 'unknown');
  matches(t, subscription.current, { addresses: ['10.96.0.1'], source: 'document', stale: false });
});

t.test('DNS that fails says nothing about a document', async (t) => {
  const { dns, subscribe, resolver, log } = await bound(t);
  dns.fault = () => 'servfail';
  resolver.setServices(service({ clusterIPs: ['10.96.0.1'] }));
  const subscription = subscribe();
  await eventually('asked', () => resolver.statistics().lookups.failed >= 2);
  matches(t, subscription.current, { addresses: ['10.96.0.1'], source: 'document', verdict: 'silent', error: null });
  t.same(resolver.problems, []);
  t.match(resolver.statistics(), { oldestAnswerMs: 0, documents: { silent: 1 } }, 'nothing is stale');
  t.notMatch(log.join(''), /"level":"warn"/);
  // What once agreed still does.
  dns.fault = () => null;
  dns.zone.set(NAME, { a: ['10.96.0.1'] });
  await eventually('agrees', () => subscription.current.verdict === 'agrees');
  dns.fault = () => 'refused';
  const { failed } = resolver.statistics().lookups;
  await eventually('asked in vain', () => resolver.statistics().lookups.failed >= failed + 1);
  t.match(subscription.current, { verdict: 'agrees', source: 'document', stale: false, error: null });
});

t.test('Services without a document do not wait for those that have one', async (t) => {
  const { dns, resolver } = await bound(t, { concurrency: 1, deadlineMs: 5_000, timeoutMs: 5_000 });
  const documents = new Map(
    Array.from({ length: 50 }, (_, index) => {
      const [document] = service({ name: `d${index}`, clusterIPs: [`10.96.1.${index + 1}`] }).values();
      return [`devopssong/d${index}`, document!] as const;
    }),
  );
  resolver.setServices(documents);
  dns.zone.set(NAME, { a: ['10.96.0.10'] });
  dns.fault = () => ({ delayMs: 10 });
  for (const { name } of documents.values()) resolver.subscribe('devopssong', name, () => undefined);
  const needed = resolver.subscribe('devopssong', 'my-server', () => undefined);
  await becomes(needed, '10.96.0.10');
  const before = new Set(dns.queries.map((query) => query.split(' ')[1]));
  t.ok(before.size <= 3, `${before.size} names had been asked for`);
});

t.test('a Service document without ClusterIPs leaves them to DNS', async (t) => {
  const { dns, subscribe, resolver } = await bound(t);
  dns.zone.set(NAME, { a: ['10.96.0.10'] });
  resolver.setServices(service({}));
  await becomes(subscribe(), '10.96.0.10');
});

t.test(
  'a headless or ExternalName Service document, or one of another family, is missing and DNS not asked',
  async (t) => {
    const { dns, subscribe, resolver } = await bound(t, { ipFamilies: [4] });
    dns.zone.set(NAME, { a: ['10.1.0.1'] });
    resolver.setServices(service({ headless: true }));
    const subscription = subscribe();
    matches(t, subscription.current, { state: 'missing', addresses: [], error: /headless/ });
    resolver.setServices(service({ type: 'ExternalName' }));
    t.match(subscription.current, { state: 'missing', error: /ExternalName/ });
    resolver.setServices(service({ clusterIPs: ['fd00:96::1'] }));
    t.match(subscription.current, { state: 'missing', error: /family/ });
    resolver.setServices(new Map());
    t.match(subscription.current, { state: 'pending', error: null });
    await becomes(subscription, '10.1.0.1');
  },
);

t.test('between a document that goes and an answer from DNS the known addresses are kept', async (t) => {
  const { dns, subscribe, resolver, seen } = await bound(t);
  dns.fault = () => 'servfail';
  resolver.setServices(service({ clusterIPs: ['10.96.0.1', 'fd00:96::1'] }));
  const subscription = subscribe();
  resolver.setServices(new Map());
  matches(t, subscription.current, { state: 'resolved', addresses: ['10.96.0.1', 'fd00:96::1'], stale: true });
  await eventually('asked in vain', () => subscription.current.error === 'ESERVFAIL');
  dns.zone.set(NAME, { a: ['10.96.0.10'] });
  dns.fault = () => null;
  await becomes(subscription, '10.96.0.10');
  t.notOk(seen.some((current) => current.addresses.length === 0));
  // And back: a lookup on its way must not overrule a document that is kept current.
  dns.fault = () => ({ delayMs: 50 });
  const asked = dns.count(NAME, 'A');
  await eventually('asked', () => dns.count(NAME, 'A') > asked);
  resolver.setServices(service({ clusterIPs: ['10.96.0.3'], managed: true }));
  t.same(subscription.current.addresses, ['10.96.0.3']);
  const other = resolver.subscribe('devopssong', 'other', () => undefined);
  await eventually('a later lookup is done', () => other.current.state === 'missing');
  t.same(subscription.current.addresses, ['10.96.0.3']);
  t.notOk(seen.some((current) => current.addresses.length === 0));
});

t.test('a listener may close its subscription, and one that throws harms no other', async (t) => {
  const { dns, resolver, log } = await bound(t, { minTtlMs: 50, maxTtlMs: 50 });
  dns.zone.set(NAME, { a: ['10.96.0.10'] });
  resolver.subscribe('devopssong', 'my-server', () => {
    throw new Error('broken listener');
  });
  let calls = 0;
  const closing: Subscription = resolver.subscribe('devopssong', 'my-server', () => {
    calls++;
    closing.close();
  });
  await eventually('called', () => calls > 0);
  const asked = dns.count(NAME, 'A');
  await eventually('refreshed', () => dns.count(NAME, 'A') > asked);
  t.equal(calls, 1);
  t.match(log.join(''), /broken listener/);
});

t.test('the cluster domain comes from resolv.conf unless it is given', async (t) => {
  const path = join(
    t.testdir({ 'resolv.conf': 'search a.svc.Example.org svc.Example.org\nnameserver 10.0.0.1\n' }),
    'resolv.conf',
  );
  const { dns, subscribe, resolver } = await bound(t, { clusterDomain: undefined, resolvConfPath: path });
  dns.zone.set('my-server.devopssong.svc.example.org', { a: ['10.96.0.10'] });
  t.equal(resolver.clusterDomain, 'example.org');
  await becomes(subscribe(), '10.96.0.10');
  const given = await bound(t, { clusterDomain: '.Other.Test.', servers: undefined, resolvConfPath: path });
  t.equal(given.resolver.clusterDomain, 'other.test');
  t.match(given.log.join(''), /"servers":\["10\.0\.0\.1"\]/);
});

t.test('without resolv.conf it is said once, and names stay pending', async (t) => {
  const { resolver, subscribe, log } = await bound(t, {
    servers: undefined,
    resolvConfPath: '/nonexistent/resolv.conf',
  });
  const subscription = subscribe();
  // Nobody listens on 127.0.0.1:53, or somebody who does not know the name.
  await eventually('failed', () => {
    const { failed, no_address } = resolver.statistics().lookups;
    return failed + no_address >= 1;
  });
  t.not(subscription.current.state, 'resolved');
  t.equal(log.filter((line) => line.includes('cannot be read')).length, 1);
});

t.test('servers that are no addresses are refused at once', async (t) => {
  for (const server of ['dns.example.org', '10.0.0.1:', '']) {
    t.throws(
      () => new ServiceResolver({ logger: createLogger('error', () => undefined), servers: [server] }),
      { code: 'invalid-dns-server' },
      server,
    );
  }
});

t.test('close ends lookups and timers: nothing keeps the process alive', async (t) => {
  const { dns, subscribe, resolver, seen } = await bound(t, { minTtlMs: 50 });
  dns.fault = () => ({ delayMs: 50 });
  dns.zone.set(NAME, { a: ['10.96.0.10'], ttl: 0 });
  subscribe();
  await eventually('asked', () => dns.count(NAME) > 0);
  resolver.close();
  const script = `
    import { ServiceResolver } from ${JSON.stringify(new URL('../../../src/cluster/resolver.js', import.meta.url))};
    const logger = { info() {}, warn() {}, error: console.error };
    const resolver = new ServiceResolver({ logger, servers: [process.argv[1]], clusterDomain: 'cluster.local' });
    const subscription = resolver.subscribe('devopssong', 'my-server', () => { console.log('up'); if (process.argv[2]) resolver.close(); });
    await new Promise((resolve) => setTimeout(resolve, 500));
  `;
  for (const close of ['', 'close']) {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script, dns.address, close]);
    t.teardown(() => child.kill('SIGKILL'));
    let output = '';
    child.stdout.on('data', (chunk) => (output += String(chunk)));
    child.stderr.on('data', (chunk) => (output += String(chunk)));
    let code: number | null = null;
    child.on('exit', (status) => (code = status));
    await eventually('exit', () => code !== null, 10_000);
    t.equal(output.split('\n')[0], 'up');
    t.equal(code, 0);
  }
  t.same(seen, []);
});

/** A fixture whose methods can be taken apart. */
async function bound(
  test: Test,
  options: Partial<ServiceResolverOptions> = {},
): Promise<Pick<Fixture, 'dns' | 'resolver' | 'log' | 'seen'> & { subscribe: () => Subscription }> {
  const fixture = await Fixture.start(test, options);
  const { dns, resolver, log, seen } = fixture;
  return { dns, resolver, log, seen, subscribe: () => fixture.subscribe() };
}
