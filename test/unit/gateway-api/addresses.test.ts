import t from 'tap';
import { canonicalAddress } from '../../../src/gateway-api/addresses.ts';

t.test('addresses come out as inet_ntop prints them', async (t) => {
  const cases: [string, string][] = [
    ['10.96.0.1', '10.96.0.1'],
    ['127.0.0.1', '127.0.0.1'],
    ['FD00:0:0::1', 'fd00::1'],
    ['fd00:0000:0000:0001:0000:0000:0000:0abc', 'fd00:0:0:1::abc'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::1', '::1'],
    ['fd00:10:96::', 'fd00:10:96::'],
  ];
  for (const [text, canonical] of cases) t.equal(canonicalAddress(text), canonical, text);
});

t.test('what no Service can have as its address is refused', async (t) => {
  const junk = ['', 'None', '10.96.0', '10.96.0.256', '010.96.0.1', '10.96.0.1:80', '10.96.0.1/32', ' 10.96.0.1'];
  const special = ['0.0.0.0', '224.0.0.1', '255.255.255.255', '::', 'ff02::1', 'fe80::1%eth0', '::ffff:10.96.0.1'];
  for (const text of [...junk, ...special, '::10.96.0.1', '[fd00::1]', 'fd00::1::2', 'localhost']) {
    t.equal(canonicalAddress(text), null, text);
  }
});
