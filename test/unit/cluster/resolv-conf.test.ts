import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseResolvConf, ResolvConfFile } from '../../../src/cluster/resolv-conf.ts';
import { createLogger } from '../../../src/log.ts';

t.test('servers and cluster domain as kubelet writes them', async (t) => {
  const text = [
    'search devopssong.svc.cluster.local svc.cluster.local cluster.local',
    'nameserver 10.96.0.10',
    'nameserver fd00:96::a',
    'options ndots:5',
  ].join('\n');
  t.same(parseResolvConf(text), { servers: ['10.96.0.10', 'fd00:96::a'], clusterDomain: 'cluster.local' });
});

for (const [title, text, expected] of [
  ['an empty file: the local machine, no domain', '', { servers: ['127.0.0.1'], clusterDomain: null }],
  ['comments, tabs, CRLF', '# x\r\n\tnameserver\t10.0.0.1 # y\r\n;z\r\n', { servers: ['10.0.0.1'] }],
  ['the last search line counts', 'search svc.a.test\nsearch svc.b.test\n', { clusterDomain: 'b.test' }],
  ['a later domain line replaces search', 'search svc.a.test\ndomain example.org\n', { clusterDomain: null }],
  ['upper case and a last dot', 'search x.svc.K8S.Local. svc.K8S.Local.\n', { clusterDomain: 'k8s.local' }],
  ['a search list without svc', 'search example.org myservice.example.org\n', { clusterDomain: null }],
  ['servers that are no addresses', 'nameserver dns.example.org\nnameserver\n', { servers: ['127.0.0.1'] }],
  [
    'a link-local server keeps its zone',
    'nameserver fe80::1%eth0\nnameserver 1.1.1.1\n',
    { servers: ['fe80::1%eth0', '1.1.1.1'] },
  ],
  [
    'more than three servers',
    'nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\nnameserver 10.0.0.4\n',
    { servers: ['10.0.0.1', '10.0.0.2', '10.0.0.3'] },
  ],
] as const) {
  t.test(title, async (t) => t.match(parseResolvConf(text), expected));
}

t.test('the file is read again when it changed, and missing is said once', async (t) => {
  const path = join(t.testdir(), 'resolv.conf');
  const log: string[] = [];
  const file = new ResolvConfFile(
    path,
    createLogger('warn', (line) => log.push(line)),
    0,
  );
  t.equal(file.readIfChanged(), null);
  t.equal(file.readIfChanged(), null);
  t.equal(log.length, 1);
  writeFileSync(path, 'nameserver 10.0.0.1\n');
  t.same(file.readIfChanged()?.servers, ['10.0.0.1']);
  t.equal(file.readIfChanged(), null);
  writeFileSync(path, 'nameserver 10.0.0.22\n');
  t.same(file.readIfChanged()?.servers, ['10.0.0.22']);
  rmSync(path);
  t.equal(file.readIfChanged(), null);
  t.equal(log.length, 2);
});

t.test('the file is not looked at more often than the interval', async (t) => {
  const path = join(t.testdir({ 'resolv.conf': 'nameserver 10.0.0.1\n' }), 'resolv.conf');
  const file = new ResolvConfFile(
    path,
    createLogger('warn', () => undefined),
    60_000,
  );
  t.ok(file.readIfChanged());
  writeFileSync(path, 'nameserver 10.0.0.22\n');
  t.equal(file.readIfChanged(), null);
});
