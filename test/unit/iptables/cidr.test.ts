/** Networks: parsing, canonical text, containment. */
import fc from 'fast-check';
import { SocketAddress } from 'node:net';
import t from 'tap';
import { canonicalAddress, cidrContains, cidrText, parseCidr } from '../../../src/iptables/cidr.ts';

const address = fc.oneof(fc.ipV4(), fc.ipV6());

t.test('an address without a prefix is itself, in canonical text', async (t) => {
  fc.assert(
    fc.property(address, (text) => {
      const { cidr, hostBits } = parseCidr(text)!;
      const family = text.includes(':') ? 'ipv6' : 'ipv4';
      return (
        !hostBits &&
        cidr.address === new SocketAddress({ address: text, family }).address &&
        cidr.address === canonicalAddress(text)
      );
    }),
  );
  t.pass();
});

t.test(
  'canonical text parses back to the same network, without host bits, and is inside every shorter one',
  async (t) => {
    fc.assert(
      fc.property(address, fc.nat(128), fc.nat(128), (text, a, b) => {
        const width = text.includes(':') ? 128 : 32;
        const [short, long] = [Math.min(a, b) % (width + 1), Math.max(a, b) % (width + 1)].toSorted((x, y) => x - y);
        const inner = parseCidr(`${text}/${long!}`)!.cidr;
        const outer = parseCidr(`${text}/${short!}`)!.cidr;
        const again = parseCidr(cidrText(inner))!;
        return (
          !again.hostBits &&
          cidrText(again.cidr) === cidrText(inner) &&
          cidrContains(outer, inner) &&
          (short === long || !cidrContains(inner, outer))
        );
      }),
    );
    t.pass();
  },
);

t.test('networks of different families never contain each other', async (t) => {
  t.notOk(cidrContains(parseCidr('0.0.0.0/0')!.cidr, parseCidr('::/0')!.cidr));
  t.notOk(cidrContains(parseCidr('::/0')!.cidr, parseCidr('10.0.0.1')!.cidr));
});
