import t from 'tap';
import { addressFault } from '../../../src/cluster/addresses.ts';

t.test('addresses that can be ClusterIPs', async (t) => {
  for (const address of [
    '10.96.0.1',
    '172.20.0.10',
    '100.64.0.1',
    '192.0.2.1',
    '203.0.113.9',
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
    ['255.255.255.255', 'multicast'],
    ['ff02::1', 'multicast'],
    ['::ffff:10.96.0.1', 'an IPv4-mapped IPv6 address'],
    ['None', 'not an address'],
    ['', 'not an address'],
  ] as const) {
    t.equal(addressFault(address), fault, address);
  }
});
