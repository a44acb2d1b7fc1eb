import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { newServingCertificate, validityOf } from '../../../src/webhook/certificate.ts';
import * as der from '../../../src/webhook/der.ts';
import { runCommand } from '../../support/cluster.ts';
import { temporaryDirectory } from '../../support/sidecar.ts';

const NAMES = ['sideroute-webhook.sideroute-system.svc', 'sideroute-webhook.sideroute-system.svc.cluster.local'];
const HOUR_MS = 3_600_000;

t.test('a certificate for the names, signed by an authority of its own', async (t) => {
  const now = new Date();
  const made = newServingCertificate(NAMES, now, 24 * HOUR_MS);
  const [authority, certificate] = [new X509Certificate(made.authority), new X509Certificate(made.certificate)];
  t.ok(certificate.verify(authority.publicKey), 'signed by the authority');
  t.ok(certificate.checkIssued(authority));
  t.ok(authority.ca);
  t.notOk(certificate.ca);
  for (const name of NAMES) t.equal(certificate.checkHost(name), name);
  t.equal(certificate.checkHost('kubernetes.default.svc'), undefined);
  t.same(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1'], 'for servers');
  const { from, to } = validityOf(made.certificate)!;
  t.ok(from < now.getTime() && Math.abs(to - now.getTime() - 24 * HOUR_MS) <= 1000);
  t.not(new X509Certificate(newServingCertificate(NAMES, now, HOUR_MS).authority).subject, authority.subject);
});

t.test('OpenSSL takes the chain for that of a server', async (t) => {
  const { path, remove } = temporaryDirectory();
  t.teardown(remove);
  for (let round = 0; round < 20; round++) {
    const made = newServingCertificate(NAMES, new Date(), HOUR_MS);
    writeFileSync(join(path, 'ca.pem'), made.authority);
    writeFileSync(join(path, 'tls.pem'), made.certificate);
    const { status, stderr } = runCommand('openssl', [
      ...['verify', '-x509_strict', '-purpose', 'sslserver', '-verify_hostname', NAMES[0]!],
      ...['-CAfile', join(path, 'ca.pem'), join(path, 'tls.pem')],
    ]);
    if (!t.equal(status, 0, `round ${round}`)) t.comment(stderr);
  }
});

t.test('lengths, numbers, identifiers and times as DER has them', async (t) => {
  const hex = (bytes: Buffer) => bytes.toString('hex');
  t.equal(hex(der.octets(Buffer.alloc(127))).slice(0, 4), '047f');
  t.equal(hex(der.octets(Buffer.alloc(128))).slice(0, 6), '048180');
  t.equal(hex(der.octets(Buffer.alloc(300))).slice(0, 8), '0482012c');
  t.equal(hex(der.integer(Buffer.from([0]))), '020100');
  t.equal(hex(der.integer(Buffer.from([0, 0, 0x7f]))), '02017f');
  t.equal(hex(der.integer(Buffer.from([0x80]))), '02020080');
  t.equal(hex(der.identifier('1.2.840.10045.4.3.2')), '06082a8648ce3d040302');
  t.equal(der.time(new Date('2049-12-31T23:59:59Z')).toString('latin1'), '\x17\x0d491231235959Z');
  t.equal(der.time(new Date('2050-01-01T00:00:00Z')).toString('latin1'), '\x18\x0f20500101000000Z');
  t.equal(validityOf('no certificate'), null);
});
