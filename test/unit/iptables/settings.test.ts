/** Settings: what is accepted and how it is read, and one clear message for each thing that is not. */
import t from 'tap';
import { ProxyError } from '../../../src/errors.ts';
import { cidrText } from '../../../src/iptables/cidr.ts';
import { parseInterceptionSettings, type InterceptionTexts } from '../../../src/iptables/settings.ts';
import { matches } from '../../support/match.ts';

const SERVICES = { serviceCidrs: '10.96.0.0/12' };

t.test('without any text the defaults hold, and capturing everything is warned of', async (t) => {
  const { settings, warnings } = parseInterceptionSettings({});
  t.equal(settings.proxyUid, 1337);
  t.equal(settings.capturePort, 15001);
  t.same(settings.serviceCidrs.map(cidrText), ['0.0.0.0/0', '::/0']);
  t.same(
    [settings.excludeCidrs, settings.excludePorts, settings.metadataAddresses, settings.apiServer],
    [[], [], [], null],
  );
  t.equal(warnings.length, 1);
  t.match(warnings[0], /--service-cidrs \(SIDEROUTE_SERVICE_CIDRS\) is not set/);
});

t.test('empty and blank texts count as not given', async (t) => {
  const blank = { proxyUid: '', capturePort: ' ', serviceCidrs: '', excludeOutboundPorts: '\n', apiServer: '' };
  t.same(parseInterceptionSettings(blank), parseInterceptionSettings({}));
});

t.test('networks are sorted to their family, made canonical, and those inside another one are dropped', async (t) => {
  const { settings, warnings } = parseInterceptionSettings({
    serviceCidrs: 'FD00:0:0::/64 10.96.0.0/12,\n10.100.0.0/16,fd00::1:0:0:0:0/48,10.96.0.0/12',
    excludeOutboundCidrs: '10.0.0.1,::ffff:10.0.0.0/112,2001:db8:0:0:1::',
  });
  t.same(settings.serviceCidrs.map(cidrText), ['10.96.0.0/12', 'fd00::/48']);
  t.same(settings.excludeCidrs.map(cidrText), ['10.0.0.1/32', '::ffff:10.0.0.0/112', '2001:db8:0:0:1::/128']);
  t.same(warnings.length, 1, 'the one with host bits is warned of');
  t.match(warnings[0], '"fd00::1:0:0:0:0/48" has bits set beyond its prefix; fd00::/48 is used');
});

t.test('host bits are cleared with a warning that names the flag and both forms', async (t) => {
  const { settings, warnings } = parseInterceptionSettings({ serviceCidrs: '10.96.0.1/12' });
  t.same(settings.serviceCidrs.map(cidrText), ['10.96.0.0/12']);
  t.match(warnings[0], /--service-cidrs .*"10\.96\.0\.1\/12".*10\.96\.0\.0\/12 is used/);
});

t.test('ports and ranges are sorted, and overlapping ones become one', async (t) => {
  const { settings } = parseInterceptionSettings({
    ...SERVICES,
    excludeOutboundPorts: '9000-9010,443, 9005:9020,443,80-80',
  });
  t.same(settings.excludePorts, [
    { first: 80, last: 80 },
    { first: 443, last: 443 },
    { first: 9000, last: 9020 },
  ]);
});

t.test('the API server is the one the pod is told of, unless the flag names another or none', async (t) => {
  const pod = { ...SERVICES, kubernetesServiceHost: '10.96.0.1', kubernetesServicePort: '6443' };
  const api = (texts: InterceptionTexts) => parseInterceptionSettings(texts).settings.apiServer;
  t.same(api(pod), { address: '10.96.0.1', port: 6443 });
  t.same(api({ ...pod, kubernetesServicePort: undefined }), { address: '10.96.0.1', port: 443 });
  t.same(api({ ...pod, kubernetesServiceHost: 'FD00::0:1' }), { address: 'fd00::1', port: 6443 });
  t.same(api({ ...pod, apiServer: '192.0.2.1:8443' }), { address: '192.0.2.1', port: 8443 });
  t.same(api({ ...pod, apiServer: '[fd00:0::2]:8443' }), { address: 'fd00::2', port: 8443 });
  t.same(api({ ...pod, apiServer: 'none' }), null);
});

t.test('an API server that is told as a name is not excluded, with a warning', async (t) => {
  const { settings, warnings } = parseInterceptionSettings({ ...SERVICES, kubernetesServiceHost: 'api.example.com' });
  t.equal(settings.apiServer, null);
  matches(t, warnings, [/KUBERNETES_SERVICE_HOST "api\.example\.com" is not an address/]);
});

const REFUSED: readonly [InterceptionTexts, RegExp][] = [
  [{ proxyUid: 'sideroute' }, /--proxy-uid \(SIDEROUTE_PROXY_UID\): "sideroute" is not a numeric user id/],
  [{ proxyUid: '0' }, /--proxy-uid .*"0".*from 1 to 4294967294/],
  [{ proxyUid: '4294967295' }, /--proxy-uid .*"4294967295"/],
  [{ proxyUid: '-1' }, /--proxy-uid .*"-1"/],
  [{ proxyUid: '1e3' }, /--proxy-uid .*"1e3"/],
  [{ capturePort: '0' }, /--capture-port \(SIDEROUTE_CAPTURE_PORT\): "0" is not a port/],
  [{ capturePort: '65536' }, /--capture-port .*"65536"/],
  [{ capturePort: '15001 15002' }, /--capture-port .*"15001 15002"/],
  [{ serviceCidrs: '10.96.0.0/33' }, /--service-cidrs .*"10\.96\.0\.0\/33" is not an IPv4 or IPv6 network/],
  [{ serviceCidrs: '10.96.0/12' }, /--service-cidrs .*"10\.96\.0\/12"/],
  [{ serviceCidrs: '10.96.0.0/' }, /--service-cidrs .*"10\.96\.0\.0\/"/],
  [{ serviceCidrs: '10.96.0.0/012' }, /--service-cidrs .*"10\.96\.0\.0\/012"/],
  [{ serviceCidrs: '10.96.0.0/12/1' }, /--service-cidrs .*"10\.96\.0\.0\/12\/1"/],
  [{ serviceCidrs: '010.96.0.0/12' }, /--service-cidrs .*"010\.96\.0\.0\/12"/],
  [{ serviceCidrs: 'fd00::/129' }, /--service-cidrs .*"fd00::\/129"/],
  [{ serviceCidrs: 'fd00::1::2' }, /--service-cidrs .*"fd00::1::2"/],
  [{ serviceCidrs: ',' }, /--service-cidrs .*the list has no entry/],
  [{ excludeOutboundCidrs: 'db.example.com' }, /--exclude-outbound-cidrs .*"db\.example\.com"/],
  [{ excludeOutboundCidrs: 'fe80::1%eth0' }, /--exclude-outbound-cidrs .*"fe80::1%eth0"/],
  [{ metadataAddresses: 'metadata' }, /--metadata-addresses \(SIDEROUTE_METADATA_ADDRESSES\): "metadata"/],
  [{ excludeOutboundPorts: '70000' }, /--exclude-outbound-ports .*"70000" is neither a port/],
  [{ excludeOutboundPorts: '0' }, /--exclude-outbound-ports .*"0"/],
  [{ excludeOutboundPorts: 'https' }, /--exclude-outbound-ports .*"https"/],
  [{ excludeOutboundPorts: '90-80' }, /--exclude-outbound-ports .*"90-80" ends before it begins/],
  [{ excludeOutboundPorts: '80-' }, /--exclude-outbound-ports .*"80-"/],
  [{ excludeOutboundPorts: '80-90-100' }, /--exclude-outbound-ports .*"80-90-100"/],
  [{ excludeOutboundPorts: '80;iptables -F' }, /--exclude-outbound-ports .*"80;iptables".*\n.*"-F"/],
  [{ apiServer: '10.96.0.1' }, /--api-server \(SIDEROUTE_API_SERVER\): "10\.96\.0\.1" is not ADDRESS:PORT/],
  [{ apiServer: 'kubernetes.default:443' }, /--api-server .*"kubernetes\.default:443"/],
  [{ apiServer: 'fd00::1:443' }, /--api-server .*"fd00::1:443"/],
  [{ apiServer: '[10.96.0.1]:443' }, /--api-server .*"\[10\.96\.0\.1\]:443"/],
  [{ apiServer: '10.96.0.1:0' }, /--api-server .*"10\.96\.0\.1:0"/],
];

for (const [texts, message] of REFUSED) {
  t.test(`${JSON.stringify(texts)} is refused with a message that names the flag and the text`, async (t) => {
    t.throws(() => parseInterceptionSettings(texts), { name: 'ProxyError', code: 'iptables-settings', message });
  });
}

t.test('all problems are reported at once', async (t) => {
  try {
    parseInterceptionSettings({ proxyUid: 'x', capturePort: 'y', serviceCidrs: 'z', excludeOutboundPorts: 'p,q' });
    t.fail('must throw');
  } catch (error) {
    t.ok(error instanceof ProxyError);
    t.equal((error as Error).message.split('\n').length, 5);
  }
});
