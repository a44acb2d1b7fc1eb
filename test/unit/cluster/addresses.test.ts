import t from 'tap';
import { addressFault, faultText } from '../../../src/cluster/addresses.ts';

t.test('addresses that can be ClusterIPs', async (t) => {
  for (const address of [
    '10.96.0.1',
    '172.20.0.10',
    '100.64.0.1',
    '192.0.2.1',
    '203.0.113.9',
    // Class E, which some clouds have Services in.
    '240.10.0.1',
    '255.255.255.254',
    'fd00:96::a',
    '2001:db8::1',
  ]) {
    t.equal(addressFault(address), null, address);
  }
});

t.test('addresses that cannot', async (t) => {
  for (const [address, fault] of [
    ['0.0.0.0', 'unspecified'],
    ['0.1.2.3', 'unspecified'],
    ['::', 'unspecified'],
    ['127.0.0.1', 'loopback'],
    ['127.255.0.1', 'loopback'],
    ['::1', 'loopback'],
    ['224.0.0.1', 'multicast'],
    ['239.255.255.250', 'multicast'],
    ['255.255.255.255', 'broadcast'],
    ['ff02::1', 'multicast'],
    ['169.254.169.254', 'link_local'],
    ['fe80::1', 'link_local'],
    ['febf::1', 'link_local'],
    ['::ffff:10.96.0.1', 'ipv4_mapped'],
    ['None', 'not_an_address'],
    ['', 'not_an_address'],
  ] as const) {
    t.equal(addressFault(address), fault, address);
  }
});

t.test('what is wrong with an address, in words', async (t) => {
  t.equal(faultText('::ffff:10.96.0.1', 'ipv4_mapped'), '::ffff:10.96.0.1 is an IPv4-mapped IPv6 address');
});
