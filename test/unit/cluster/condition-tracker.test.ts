/** Conditions that follow DNS: missing, not known, known again; worked out once for many changes, logged once. */
import t from 'tap';
import type { Test } from 'tap';
import { BackendRegistry } from '../../../src/cluster/backends.ts';
import { ConditionTracker } from '../../../src/cluster/condition-tracker.ts';
import { FrontendRegistry } from '../../../src/cluster/frontends.ts';
import { ServiceResolver } from '../../../src/cluster/resolver.ts';
import { attach } from '../../../src/config/attach.ts';
import type { Attachment, RouteCondition } from '../../../src/config/attachment.ts';
import { createLogger } from '../../../src/log.ts';
import { ConditionLog } from '../../../src/observe/conditions.ts';
import { finish, Slicer } from '../../../src/slices.ts';
import { DnsServer } from '../../support/dns-server.ts';
import { eventually } from '../../support/eventually.ts';
import { backend, httpRoute, parent, rule } from '../../support/routes.ts';

const DOMAIN = 'shop.svc.cluster.local';

function attachment(name = 'r'): Attachment {
  const rules = [rule({ backendRefs: [backend('shop/v1:80')] })];
  return attach({
    resources: [httpRoute(`shop/${name}`, [parent('shop/web', { port: 80 })], rules)],
    namespace: 'shop',
  });
}

async function start(test: Test) {
  const dns = await DnsServer.start();
  test.teardown(() => dns.close());
  const log: string[] = [];
  const logger = createLogger('info', (line) => log.push(line));
  let current = attachment();
  const lists: (readonly RouteCondition[])[] = [];
  const resolver = new ServiceResolver({
    ...{ logger, servers: [dns.address], clusterDomain: 'cluster.local', minTtlMs: 50, maxTtlMs: 50, retryMs: 50 },
    ...{ timeoutMs: 100, deadlineMs: 200 },
    onChange: () => tracker.touch(),
  });
  test.teardown(() => resolver.close());
  const backends = new BackendRegistry({ resolver, logger });
  const frontends = new FrontendRegistry({ resolver, logger, onChange: () => undefined });
  const conditionLog = new ConditionLog(logger);
  const tracker: ConditionTracker = new ConditionTracker({
    ...{ logger, slicer: new Slicer(), delayMs: 5 },
    attachment: () => current,
    sources: { parent: (key) => frontends.knowledge(key), backend: (key) => backends.knowledge(key) },
    onChange: (conditions) => {
      lists.push(conditions);
      return conditionLog.update(conditions);
    },
  });
  test.teardown(() => tracker.close());
  /** In force; the tracker has not been told yet. */
  const take = (next: Attachment): void => {
    current = next;
    backends.beginCompile();
    backends.intern('shop', 'v1', 80);
    backends.endCompile();
    frontends.update(next);
  };
  /** An update may be under way, and end in a turn of its own: this one waits for it. */
  const update = () => new Slicer().run(tracker.update());
  const apply = async (next: Attachment): Promise<void> => {
    take(next);
    await update();
  };
  take(current);
  finish(tracker.update());
  const statuses = (): string =>
    tracker.current.map(({ type, status, reason }) => `${type}=${status} ${reason}`).join(', ');
  const become = (expected: string) => eventually(`${expected}, now ${statuses()}`, () => statuses() === expected);
  return { dns, tracker, backends, take, apply, update, statuses, become, log, lists };
}

const GOOD = 'Accepted=True Accepted, ResolvedRefs=True ResolvedRefs';

t.test('conditions follow what cluster DNS says of parent and backend, and each turn is logged once', async (t) => {
  const { dns, statuses, become, update, backends, log, tracker, lists } = await start(t);
  t.equal(statuses(), 'Accepted=Unknown Pending, ResolvedRefs=Unknown Pending', 'asked, not yet answered');
  await become('Accepted=False NoMatchingParent, ResolvedRefs=False BackendNotFound');
  t.equal(backends.unresolved, 1);
  const conditions = () => log.filter((line) => line.includes('route condition'));
  // The lines of a list are written in slices, when it is the one in force already.
  const logged = async (count: number, message: string): Promise<void> => {
    await eventually(message, () => conditions().length >= count);
    t.equal(conditions().length, count, message);
  };
  await logged(2, 'one line each, and none for what was not known yet');
  dns.zone.set(`web.${DOMAIN}`, { a: ['10.96.0.1'] });
  dns.zone.set(`v1.${DOMAIN}`, { a: ['10.96.0.2'] });
  await become(GOOD);
  t.equal(backends.unresolved, 0);
  await logged(4, 'one line each');
  t.equal(conditions().filter((line) => line.includes('in order again')).length, 2);

  // Servers that do not answer say nothing against the last good address.
  dns.fault = () => 'servfail';
  await eventually('said', () => tracker.current.every(({ message }) => message.includes('ESERVFAIL')));
  t.equal(statuses(), GOOD);
  t.equal(conditions().length, 4, 'no fault');
  dns.fault = () => null;
  await eventually('not said any more', () => tracker.current.every(({ message }) => !message.includes('ESERVFAIL')));

  // A name that is gone is missing, while its last good address serves on.
  dns.zone.delete(`v1.${DOMAIN}`);
  await become('Accepted=True Accepted, ResolvedRefs=False BackendNotFound');
  t.match(tracker.current[1]?.message, /knows no such Service \(ENOTFOUND\); its last good address is used/);
  dns.zone.set(`v1.${DOMAIN}`, { a: ['10.96.0.3'] });
  await become(GOOD);
  await logged(6, 'gone, and back');
  const count = lists.length;
  const asked = dns.queries.length;
  await eventually('asked again and again', () => dns.queries.length >= asked + 12);
  t.equal(lists.length, count, 'the same answers are no news');
  await update();
  t.equal(lists.length, count, 'nor is working them out once more');
});

t.test('DNS that has never answered: not known, which is told apart from missing', async (t) => {
  const { dns, become, log, tracker, apply } = await start(t);
  dns.fault = () => 'drop';
  await eventually('asked in vain', () => tracker.current.every(({ message }) => message.includes('ETIMEOUT')));
  await become('Accepted=Unknown Pending, ResolvedRefs=Unknown Pending');
  dns.fault = () => 'refused';
  await eventually('another failure', () => tracker.current.every(({ message }) => message.includes('EREFUSED')));
  await apply(attachment());
  const lines = (text: string) => log.filter((line) => line.includes(text)).length;
  t.equal(lines('route condition'), 0);
  t.equal(lines('service address: not known'), 4, 'each failure of each Service');
  dns.zone.set(`web.${DOMAIN}`, { a: ['10.96.0.1'] });
  dns.zone.set(`v1.${DOMAIN}`, { a: ['10.96.0.2'] });
  dns.fault = () => null;
  await become(GOOD);
  t.equal(lines('route condition'), 0);
  t.equal(lines('service address: resolved'), 2);
});

t.test('a parent that turns out to be headless is not accepted', async (t) => {
  const { dns, become, tracker } = await start(t);
  dns.zone.set(`web.${DOMAIN}`, { a: ['10.1.0.1', '10.1.0.2'] });
  dns.zone.set(`v1.${DOMAIN}`, { a: ['10.96.0.2'] });
  await become('Accepted=False NoMatchingParent, ResolvedRefs=True ResolvedRefs');
  t.match(
    tracker.current[0]?.message,
    /no ClusterIP: cluster DNS gives several addresses .* headless Service; connections to it pass unrouted/,
  );
  t.end();
});

t.test('the list is that of the attachment in force, from the moment it is', async (t) => {
  const { dns, become, tracker, apply } = await start(t);
  dns.zone.set(`web.${DOMAIN}`, { a: ['10.96.0.1'] });
  dns.zone.set(`v1.${DOMAIN}`, { a: ['10.96.0.2'] });
  await become(GOOD);
  t.equal(tracker.current, tracker.current, 'the same array, so that texts made of it can be kept');
  await apply(attachment('other'));
  t.same([...new Set(tracker.current.map(({ name }) => name))], ['other']);
  await become(GOOD);
});

t.test('whoever looks at a new list before it is worked out sees what is known all the same', async (t) => {
  const { dns, become, tracker, take, update, statuses, lists } = await start(t);
  dns.zone.set(`web.${DOMAIN}`, { a: ['10.96.0.1'] });
  const missing = 'Accepted=True Accepted, ResolvedRefs=False BackendNotFound';
  await become(missing);
  const known = lists.length;
  take(attachment('other'));
  t.equal(statuses(), missing);
  t.same([...new Set(tracker.current.map(({ name }) => name))], ['other']);
  t.equal(tracker.current, tracker.current, 'the same array');
  t.equal(lists.length, known, 'it is told of when it is worked out');
  await update();
  t.equal(lists.length, known + 1);
  t.equal(statuses(), missing);
});
