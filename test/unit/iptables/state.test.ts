/** Reading `iptables-save`, naming differences, and the document that leads from one state to another. */
import t from 'tap';
import { buildDocument, JUMP_LINE } from '../../../src/iptables/document.ts';
import { parseInterceptionSettings } from '../../../src/iptables/settings.ts';
import { findDrift, hasOurRules, parseNatState, targetState, transition } from '../../../src/iptables/state.ts';

const document = buildDocument(parseInterceptionSettings({ serviceCidrs: '10.96.0.0/12' }).settings, 'v4')!;
const RULES = document.rules.map(({ line }) => line);
const IN_CHAINS = RULES.slice(1);
const CHAINS = [':SIDEROUTE_OUTPUT - [0:0]', ':SIDEROUTE_REDIRECT - [0:0]'];

const nat = (...lines: string[]) =>
  parseNatState(
    ['# Generated', '*nat', ':PREROUTING ACCEPT [0:0]', ':OUTPUT ACCEPT [1:60]', ...lines, 'COMMIT', ''].join('\n'),
  );
const kinds = (...lines: string[]) => findDrift('v4', nat(...lines), document).map(({ kind }) => kind);

t.test('nothing is to be done where the rules are as they should be', async (t) => {
  const state = nat(...CHAINS, '-A OUTPUT -p udp -j ACCEPT', JUMP_LINE, '-A OUTPUT -j OTHER', ...IN_CHAINS);
  t.same(findDrift('v4', state, document), []);
  t.equal(transition(state, targetState(document, state)), null);
});

t.test('other tables are not read as nat', async (t) => {
  const state = parseNatState('*filter\n:SIDEROUTE_OUTPUT - [0:0]\n-A OUTPUT -j SIDEROUTE_OUTPUT\nCOMMIT\n');
  t.notOk(hasOurRules(state));
});

t.test('IPv6 addresses compare by value, however the C library prints them', async (t) => {
  const { settings } = parseInterceptionSettings({ serviceCidrs: '::1.2.3.0/120' });
  const v6 = buildDocument(settings, 'v6')!;
  const lines = v6.rules.map(({ line }) => line.replace('::1.2.3.0/120', '::102:300/120'));
  t.same(findDrift('v6', nat(...CHAINS, ...lines), v6), []);
});

t.test('each kind of difference is named', async (t) => {
  const without = (line: string) => IN_CHAINS.filter((other) => other !== line);
  t.same(kinds(), ['missing-chain', 'missing-chain', 'missing-jump']);
  for (const line of IN_CHAINS) t.same(kinds(...CHAINS, JUMP_LINE, ...without(line)), ['missing-rule'], line);
  t.same(kinds(...CHAINS, JUMP_LINE, '-A SIDEROUTE_OUTPUT -j RETURN', ...IN_CHAINS), ['extra-rule']);
  t.same(kinds(...CHAINS, JUMP_LINE, ...IN_CHAINS, IN_CHAINS[0]!), ['extra-rule'], 'a rule that is there twice');
  t.same(kinds(...CHAINS, JUMP_LINE, IN_CHAINS[1]!, IN_CHAINS[0]!, ...IN_CHAINS.slice(2)), ['rule-order']);
  t.same(kinds(...CHAINS, ...IN_CHAINS), ['missing-jump']);
  t.same(kinds(...CHAINS, JUMP_LINE, JUMP_LINE, ...IN_CHAINS), ['doubled-jump']);
  t.same(kinds(...CHAINS, '-A OUTPUT -j SIDEROUTE_OUTPUT', ...IN_CHAINS), ['missing-jump', 'wrong-jump']);
  t.same(kinds(...CHAINS, JUMP_LINE, ...IN_CHAINS, '-A PREROUTING -j SIDEROUTE_REDIRECT'), ['extra-jump']);
  t.same(kinds(...CHAINS, ':SIDEROUTE_OLD - [0:0]', JUMP_LINE, ...IN_CHAINS), ['extra-chain']);
});

t.test('without a document every rule of ours is a difference', async (t) => {
  const found = findDrift('v4', nat(...CHAINS, JUMP_LINE, ...IN_CHAINS), null).map(({ kind }) => kind);
  t.same(found, ['extra-chain', 'extra-chain', 'extra-jump']);
  t.same(findDrift('v4', nat('-A OUTPUT -j OTHER'), null), []);
});

t.test('a right jump keeps its place; wrong and doubled ones are replaced by one at the end', async (t) => {
  const kept = nat('-A OUTPUT -j A', JUMP_LINE, '-A OUTPUT -j B');
  const text = transition(kept, targetState(document, kept))!;
  t.notMatch(text, /[AID] OUTPUT/);
  const doubled = nat(...CHAINS, JUMP_LINE, '-A OUTPUT -j A', JUMP_LINE, ...IN_CHAINS);
  t.equal(
    transition(doubled, targetState(document, doubled)),
    [
      '*nat',
      '-D OUTPUT -p tcp -j SIDEROUTE_OUTPUT',
      '-D OUTPUT -p tcp -j SIDEROUTE_OUTPUT',
      JUMP_LINE,
      'COMMIT',
      '',
    ].join('\n'),
  );
});

t.test('going back puts jumps at the places they had', async (t) => {
  const before = nat(...CHAINS, JUMP_LINE, '-A OUTPUT -j A', JUMP_LINE, '-A OUTPUT -j B');
  const now = nat(...CHAINS, '-A OUTPUT -j A', '-A OUTPUT -j B', JUMP_LINE);
  t.equal(
    transition(now, before),
    [
      '*nat',
      '-D OUTPUT -p tcp -j SIDEROUTE_OUTPUT',
      '-I OUTPUT 1 -p tcp -j SIDEROUTE_OUTPUT',
      '-I OUTPUT 3 -p tcp -j SIDEROUTE_OUTPUT',
      'COMMIT',
      '',
    ].join('\n'),
  );
});
