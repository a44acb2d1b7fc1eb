import t from 'tap';
import { ServiceNetworks } from '../../../src/config/service-networks.ts';

t.test('what is inside, what is outside, and what nothing is known of', async (t) => {
  const networks = new ServiceNetworks(' 10.96.0.0/12,\n192.0.2.7 ');
  t.equal(networks.contains('10.111.255.255'), true);
  t.equal(networks.contains('10.112.0.0'), false);
  t.equal(networks.contains('192.0.2.7'), true);
  t.equal(networks.contains('fd00:96::1'), null, 'no network of the family');
  const v6 = new ServiceNetworks('fd00:96::/112');
  t.equal(v6.contains('fd00:96::ffff'), true);
  t.equal(v6.contains('fd00:97::1'), false);
  t.equal(v6.contains('10.96.0.1'), null);
});

t.test('everything is no network of Services', async (t) => {
  const networks = new ServiceNetworks('0.0.0.0/0,::/0,10.96.0.0/12');
  t.equal(networks.contains('10.96.0.1'), null);
  t.equal(networks.contains('fd00::1'), null);
  t.equal(new ServiceNetworks('').contains('10.96.0.1'), null);
});

t.test('what is no network is named', async (t) => {
  for (const text of [
    '10.96.0.0/33',
    '10.96.0/12',
    '10.96.0.0/',
    'fd00::/129',
    'services',
    '10.96.0.0/12/1',
    'fe80::%1/64',
  ]) {
    t.throws(
      () => new ServiceNetworks(`10.0.0.0/8,${text}`),
      { code: 'invalid-setting', message: new RegExp(`"${text.replaceAll('.', '\\.')}"`) },
      text,
    );
  }
});
