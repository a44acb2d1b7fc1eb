/** Environment variables of OpenTelemetry: which are read, and what is said of those that are of no use. */
import t from 'tap';
import { exportEnvironment } from '../../../src/traces/environment.ts';

t.test('what is not set, or empty, has the defaults of OpenTelemetry', (t) => {
  const files = { authorities: null, client: null };
  const defaults = { headers: {}, timeoutMs: 10_000, gzip: false, files, resource: {} };
  t.same(exportEnvironment({}), defaults);
  t.same(
    exportEnvironment({ OTEL_EXPORTER_OTLP_HEADERS: '', OTEL_EXPORTER_OTLP_TIMEOUT: '', OTEL_SERVICE_NAME: '' }),
    defaults,
  );
  t.end();
});

t.test('all of them; those of traces come before the general ones', (t) => {
  t.same(
    exportEnvironment({
      OTEL_EXPORTER_OTLP_HEADERS: 'general=1',
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: ' authorization=Basic%20YTpi%3D , x-b = 2,',
      OTEL_EXPORTER_OTLP_TIMEOUT: '500',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
      OTEL_RESOURCE_ATTRIBUTES: 'service.name=a,k=v%2Cw',
      OTEL_SERVICE_NAME: 'b',
      OTEL_EXPORTER_OTLP_CERTIFICATE: '/ca.crt',
      OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: '/tls.crt',
      OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE: '/traces.crt',
      OTEL_EXPORTER_OTLP_CLIENT_KEY: '/tls.key',
    }),
    {
      headers: { authorization: 'Basic YTpi=', 'x-b': '2' },
      ...{ timeoutMs: 500, gzip: true, resource: { 'service.name': 'b', k: 'v,w' } },
      files: {
        authorities: { variable: 'OTEL_EXPORTER_OTLP_CERTIFICATE', path: '/ca.crt' },
        client: {
          certificate: { variable: 'OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE', path: '/traces.crt' },
          key: { variable: 'OTEL_EXPORTER_OTLP_CLIENT_KEY', path: '/tls.key' },
        },
      },
    },
  );
  t.end();
});

t.test('what is of no use is an error with the name of its variable, and without what may be a secret', (t) => {
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc', /got "grpc", expected http\/protobuf/],
    ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'http/json', /expected http\/protobuf/],
    ['OTEL_EXPORTER_OTLP_TIMEOUT', '10s', /milliseconds from 1 to 60000/],
    ['OTEL_EXPORTER_OTLP_TIMEOUT', '0', /milliseconds from 1 to 60000/],
    ['OTEL_EXPORTER_OTLP_COMPRESSION', 'zstd', /gzip or none/],
    ['OTEL_EXPORTER_OTLP_HEADERS', 's3cret', /entry 1 is not name=value/],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'a=1,b=%zzs3cret', /entry 2 is not name=value/],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'a b=s3cret', /a name in it is none of a header/],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'a=s3cret%0d%0ax: y', /the value of the header a has characters/],
    ['OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE', '/tls.crt', /needs OTEL_EXPORTER_OTLP_CLIENT_KEY/],
    ['OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY', '/tls.key', /needs OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE/],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'Content-Length=3', /Content-Length is not to be set/],
  ];
  for (const [name, value, complaint] of cases) {
    const failure = t.throws(() => exportEnvironment({ [name]: value })) as Error;
    t.match(failure.message, complaint);
    t.match(failure.message, name);
    t.notMatch(failure.message, /s3cret/);
  }
  t.end();
});
