import t from 'tap';
import { newServingCertificate } from '../../../src/webhook/certificate.ts';
import { authoritiesOf, dueChange, servedBy, type SecretData } from '../../../src/webhook/rotation.ts';

const HOUR_MS = 3_600_000;
const ROTATION = { names: ['w.s.svc'], lifetimeMs: 90 * HOUR_MS, overlapMs: HOUR_MS };
const START = new Date('2026-01-01T00:00:00Z').getTime();
const at = (hours: number) => new Date(START + hours * HOUR_MS);

t.test('an empty Secret, or one that cannot be read, gets a certificate; then nothing is due', async (t) => {
  for (const data of [{}, { 'tls.crt': 'x', 'tls.key': 'y', 'ca.crt': 'z' }, { 'tls.crt': 'x' }]) {
    const made = dueChange(data, '', at(0), ROTATION)!;
    t.match(servedBy(made)?.certificate, /BEGIN CERTIFICATE/);
    t.equal(dueChange(made, '', at(1), ROTATION), null);
    t.equal(authoritiesOf(made, at(1)).trim(), made['ca.crt']!.trim());
  }
});

t.test('renewal: both are trusted before the next one is served, and the old one while it lasts', async (t) => {
  const first = dueChange({}, '', at(0), ROTATION)!;
  const told = authoritiesOf(first, at(0));
  t.equal(dueChange(first, told, at(58), ROTATION), null, 'before two thirds of its life');
  const second = dueChange(first, told, at(62), ROTATION)!;
  t.same(servedBy(second), servedBy(first), 'the old one is served');
  const both = authoritiesOf(second, at(62));
  t.ok(both.includes(first['ca.crt']!.trim()) && both.includes(second['next-ca.crt']!.trim()), 'both are trusted');
  t.equal(dueChange(second, both, at(62.5), ROTATION), null, 'not yet for long enough');
  t.equal(dueChange(second, told, at(80), ROTATION), null, 'the API server has not been told');
  const third = dueChange(second, both, at(63.1), ROTATION)!;
  t.equal(servedBy(third)?.certificate, second['next-tls.crt']);
  t.notOk('next-tls.crt' in third);
  t.ok(authoritiesOf(third, at(64)).includes(first['ca.crt']!.trim()), 'for replicas that are behind');
  t.equal(authoritiesOf(third, at(95)).trim(), third['ca.crt']!.trim(), 'what has ended is forgotten');
  t.equal(dueChange(third, both, at(70), ROTATION), null);
});

t.test('a certificate that has ended is replaced at once, whatever was planned', async (t) => {
  const made = newServingCertificate(['w.s.svc'], at(0), 90 * HOUR_MS);
  const data: SecretData = { 'tls.crt': made.certificate, 'tls.key': made.key, 'ca.crt': made.authority };
  const next = dueChange(data, '', at(91), ROTATION)!;
  t.not(servedBy(next)?.certificate, made.certificate);
  t.same(Object.keys(next).sort(), ['ca.crt', 'tls.crt', 'tls.key']);
  t.not(dueChange(data, '', at(-3), ROTATION), null, 'one of the future, too');
});
