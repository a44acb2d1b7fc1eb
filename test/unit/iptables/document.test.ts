/** The documents: golden files, and what must hold for all of them. */
import { readdirSync } from 'node:fs';
import t from 'tap';
import { FAMILIES } from '../../../src/iptables/cidr.ts';
import { buildDocument, documentText } from '../../../src/iptables/document.ts';
import { parseInterceptionSettings } from '../../../src/iptables/settings.ts';
import { GOLDEN_CASES, goldenText } from '../../support/iptables-golden.ts';

for (const [name, texts] of Object.entries(GOLDEN_CASES)) {
  for (const family of FAMILIES) {
    t.test(`the rules for "${name}", IP${family}, are those of the golden file`, async (t) => {
      const document = buildDocument(parseInterceptionSettings(texts).settings, family);
      const text = document === null ? '# no rules\n' : documentText(document);
      t.equal(text, goldenText(name, family, text));
    });
  }
}

t.test('every golden file has its case', async (t) => {
  const expected = Object.keys(GOLDEN_CASES).flatMap((name) => FAMILIES.map((family) => `${name}.${family}.rules`));
  t.same(readdirSync('init-container/testdata').toSorted(), expected.toSorted());
});

t.test('no multiport rule holds more than 15 places, whatever the mix of ports and ranges', async (t) => {
  const ports = Array.from({ length: 200 }, (_, i) =>
    i % 3 === 0 ? `${1000 + i * 10}-${1005 + i * 10}` : `${1000 + i * 10}`,
  );
  const { settings } = parseInterceptionSettings({ excludeOutboundPorts: ports.join(',') });
  const lists = buildDocument(settings, 'v4')!.rules.flatMap(({ line }) => /--dports (\S+)/.exec(line)?.[1] ?? []);
  for (const list of lists) {
    const places = list.split(/[,:]/).length;
    t.ok(places <= 15 && places >= 1, list);
  }
  t.same(lists.join(',').replaceAll(':', '-').split(','), ports, 'and every port is in one of them');
});

t.test('the proxy is exempt first, and nothing is captured before every exemption', async (t) => {
  let chains = 0;
  for (const texts of Object.values(GOLDEN_CASES)) {
    for (const family of FAMILIES) {
      const rules = buildDocument(parseInterceptionSettings(texts).settings, family)?.rules ?? [];
      const chain = rules.filter(({ line }) => line.startsWith('-A SIDEROUTE_OUTPUT '));
      if (chain.length === 0) continue;
      chains++;
      t.equal(chain[0]!.kind, 'proxy-uid');
      const firstCapture = chain.findIndex(({ kind }) => kind === 'service-cidr');
      t.ok(firstCapture > 0, 'something is captured');
      t.notOk(chain.slice(firstCapture).some(({ line }) => line.endsWith('-j RETURN')));
    }
  }
  t.ok(chains > 10, `${chains} chains`);
});
