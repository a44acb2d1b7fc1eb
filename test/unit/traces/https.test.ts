/** Spans to a collector behind https, with authorities that the test makes: whom the exporter trusts, and what it says where it does not. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer as createPlain } from 'node:http';
import { createServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createLogger } from '../../../src/log.ts';
import { TraceExporter } from '../../../src/traces/exporter.ts';
import { newServingCertificate } from '../../../src/webhook/certificate.ts';
import { runCommand } from '../../support/cluster.ts';
import { eventually } from '../../support/eventually.ts';
import { spanLine } from '../../support/span-line.ts';
import { temporaryDirectory } from '../../support/sidecar.ts';

const HOUR_MS = 3_600_000;
const { path: directory, remove } = temporaryDirectory();
t.teardown(remove);

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

const good = newServingCertificate(['localhost'], new Date(), HOUR_MS);
const CA = file('ca.crt', good.authority);
const OTHER_CA = file('other.crt', newServingCertificate(['localhost'], new Date(), HOUR_MS).authority);

interface Collector {
  readonly endpoint: string;
  /** Of each request, whether its sender had shown a certificate. */
  readonly clients: boolean[];
}

async function startCollector(t: Test, { certificate, key } = good, options: ServerOptions = {}): Promise<Collector> {
  const clients: boolean[] = [];
  const server = createServer({ cert: certificate, key, ...options }, (request, response) => {
    clients.push('authorized' in request.socket && request.socket.authorized === true);
    request.resume().on('end', () => response.end());
  });
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { endpoint: `https://localhost:${(server.address() as AddressInfo).port}/v1/traces`, clients };
}

function exporter(t: Test, endpoint: string, env: NodeJS.ProcessEnv, attempts = 1) {
  const log: string[] = [];
  const made = new TraceExporter({
    ...{ endpoint, env, namespace: null, version: '1', logger: createLogger('info', (text) => log.push(text)) },
    limits: { delayMs: 1, firstBackoffMs: 1, mostBackoffMs: 2, attempts, logEveryMs: 0 },
  });
  t.teardown(() => made.close(0));
  return { made, log };
}

t.test('a collector whose authority is in the file is believed', async (t) => {
  const { endpoint, clients } = await startCollector(t);
  for (const env of [
    { OTEL_EXPORTER_OTLP_CERTIFICATE: CA },
    { OTEL_EXPORTER_OTLP_CERTIFICATE: OTHER_CA, OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE: CA },
    { OTEL_EXPORTER_OTLP_CERTIFICATE: file('both.crt', `for tests\n${good.authority}\n${good.certificate}`) },
  ]) {
    const { made, log } = exporter(t, endpoint, env);
    await made.check();
    made.add(spanLine());
    await eventually('exported', () => made.counts.exported === 1);
    t.same(log, []);
  }
  t.equal(clients.length, 3);
});

t.test('of any other nothing is sent, and the log says what is to be mended', async (t) => {
  const { endpoint, clients } = await startCollector(t);
  const elsewhere = newServingCertificate(['collector.example'], new Date(), HOUR_MS);
  const over = newServingCertificate(['localhost'], new Date(Date.now() - 48 * HOUR_MS), HOUR_MS);
  const [forOther, expired] = [await startCollector(t, elsewhere), await startCollector(t, over)];
  const only = (name: string, text: string) => ({ OTEL_EXPORTER_OTLP_CERTIFICATE: file(name, text) });
  const cases: readonly (readonly [Collector['endpoint'], NodeJS.ProcessEnv, RegExp])[] = [
    [endpoint, {}, /is of no public authority; OTEL_EXPORTER_OTLP_CERTIFICATE names a file/],
    [
      endpoint,
      { OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE: OTHER_CA },
      /other\.crt, which OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE/,
    ],
    [forOther.endpoint, only('elsewhere.crt', elsewhere.authority), /is for another host: .*collector\.example/],
    [expired.endpoint, only('over.crt', over.authority), /CERT_HAS_EXPIRED: .*is not valid at this time/],
  ];
  for (const [to, env, complaint] of cases) {
    const { made, log } = exporter(t, to, env);
    made.add(spanLine());
    await eventually('given up', () => made.counts.failed === 1);
    t.match(log[0], complaint);
  }
  t.same([clients, forOther.clients, expired.clients], [[], [], []]);
});

t.test('a collector without TLS behind https:// is told apart', async (t) => {
  const server = createPlain();
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  t.teardown(() => server.close());
  const { made, log } = exporter(t, `https://localhost:${(server.address() as AddressInfo).port}/v1/traces`, {});
  made.add(spanLine());
  await eventually('given up', () => made.counts.failed === 1);
  t.match(log[0], /does not speak TLS there/);
});

t.test('an authority that is renewed is read before the next attempt', async (t) => {
  const { endpoint } = await startCollector(t);
  const renewed = file('renewed.crt', newServingCertificate(['localhost'], new Date(), HOUR_MS).authority);
  const { made, log } = exporter(t, endpoint, { OTEL_EXPORTER_OTLP_CERTIFICATE: renewed }, 1_000_000);
  await made.check();
  made.add(spanLine());
  await eventually('refused', () => log.length > 0);
  file('renewed.crt', good.authority);
  await eventually('exported', () => made.counts.exported === 1);
});

t.test('a collector that wants to know who sends gets the certificate', async (t) => {
  const [cert, key] = [join(directory, 'client.crt'), join(directory, 'client.key')];
  const made = runCommand('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=sidecar'],
    ...['-keyout', key, '-out', cert],
  ]);
  t.equal(made.status, 0, made.stderr);
  // With a later version the sender may be told after it has sent.
  const options: ServerOptions = { requestCert: true, ca: readFileSync(cert), maxVersion: 'TLSv1.2' };
  const { endpoint, clients } = await startCollector(t, good, options);
  const env = {
    OTEL_EXPORTER_OTLP_CERTIFICATE: CA,
    OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: cert,
    OTEL_EXPORTER_OTLP_CLIENT_KEY: key,
  };
  const known = exporter(t, endpoint, env);
  known.made.add(spanLine());
  await eventually('exported', () => known.made.counts.exported === 1);
  const unknown = exporter(t, endpoint, { OTEL_EXPORTER_OTLP_CERTIFICATE: CA });
  unknown.made.add(spanLine());
  await eventually('given up', () => unknown.made.counts.failed === 1);
  t.match(
    unknown.log[0],
    /wants another certificate of the sidecar, which OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE names/,
  );
  t.same(clients, [true]);
  const swapped = { ...env, OTEL_EXPORTER_OTLP_CLIENT_KEY: file('server.key', good.key) };
  await t.rejects(
    exporter(t, endpoint, swapped).made.check(),
    /CLIENT_KEY: .*server\.key is not the key of .*client\.crt/,
  );
  await t.rejects(
    exporter(t, endpoint, { ...env, OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: key }).made.check(),
    /CLIENT_CERTIFICATE: .*client\.key has no certificate/,
  );
});

t.test('a file that is of no use is an error before anything is sent, and none where there is no TLS', async (t) => {
  const text = good.authority.replace(/^MII.{8}/m, 'MIIAAAAAAAA');
  for (const [path, complaint] of [
    [join(directory, 'nothing'), /OTEL_EXPORTER_OTLP_CERTIFICATE: .*nothing cannot be read: ENOENT/],
    [directory, /cannot be read: EISDIR/],
    ['/dev/zero', /OTEL_EXPORTER_OTLP_CERTIFICATE: \/dev\/zero is larger than 4194304 bytes/],
    [file('empty.crt', ''), /empty\.crt has no certificate in PEM/],
    [
      file('broken.crt', `${good.authority}${text}`),
      /broken\.crt has a certificate that cannot be read, the 2\. in it/,
    ],
  ] as const) {
    const env = { OTEL_EXPORTER_OTLP_CERTIFICATE: path };
    await t.rejects(exporter(t, 'https://localhost:1/v1/traces', env).made.check(), complaint);
    await exporter(t, 'http://localhost:1/v1/traces', env).made.check();
  }
});
