/** Traces of a running sidecar, through REDIRECT, as a collector gets them: OTLP/HTTP with protobuf. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';

import { clusterOf } from '../support/cluster-of.ts';
import type { Pod } from '../support/cluster.ts';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { Echo, ECHO_PORT, type EchoedRequest } from '../support/echo.ts';
import { eventually } from '../support/eventually.ts';
import { route, service } from '../support/grpc/stage.ts';
import { COLLECTOR_PORT, OtlpCollector, type ReceivedSpan } from '../support/otlp-collector.ts';
import { waitForLine } from '../support/processes.ts';
import { fixture, Sidecar, SIDEROUTE, startFixture } from '../support/sidecar.ts';
import { withoutUws } from '../support/uws-loads.ts';

const WEB = '10.96.0.10';
const COLLECTOR = '10.96.0.40';
const GRPC_PORT = 50_051;
const ENDPOINT = ['--traces-endpoint', `http://${COLLECTOR}:${COLLECTOR_PORT}`];
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const SAMPLED = ['-H', `traceparent: 00-${TRACE}-${PARENT}-01`];

const prefix = (value: string) => [{ path: { type: 'PathPrefix', value } }];
const to = (name: string) => [{ name, port: 80 }];
const documents = [
  service('web', WEB, [{ port: 80 }]),
  service('v1', '10.96.0.11', [{ port: 80 }]),
  service('copy', '10.96.0.12', [{ port: 80 }]),
  service('nobody', '10.96.0.13', [{ port: 80 }]),
  service('calls', '10.96.0.14', [{ port: 80 }]),
  service('calls-v1', '10.96.0.15', [{ port: 80 }]),
  route('HTTPRoute', 'web', 'web', 80, [
    {
      name: 'retried',
      matches: prefix('/retry'),
      retry: { attempts: 3, codes: [500], backoff: '1ms' },
      backendRefs: to('v1'),
    },
    {
      name: 'mirrored',
      matches: prefix('/mirrored'),
      filters: [{ type: 'RequestMirror', requestMirror: { backendRef: { name: 'copy', port: 80 } } }],
      backendRefs: to('v1'),
    },
    { name: 'refused', matches: prefix('/refused'), backendRefs: to('nobody') },
    { name: 'plain', matches: prefix('/plain'), backendRefs: to('v1') },
  ]),
  route('GRPCRoute', 'calls', 'calls', 80, [
    { matches: [{ method: { service: 'sideroute.test.Calls', method: 'Say' } }], backendRefs: to('calls-v1') },
  ]),
].join('---\n');

interface Stage {
  readonly client: Pod;
  readonly collector: OtlpCollector;
  readonly backend: Echo;
  readonly copy: Echo;
  readonly routes: string;
  readonly directory: string;
  readonly curl: (...args: string[]) => string;
  /** As the backend got it. */
  readonly echoed: (path: string, ...args: string[]) => EchoedRequest;
  start(t: Test, ...flags: string[]): Promise<Sidecar>;
}

async function startStage(t: Test): Promise<Stage> {
  const { cluster, directory } = clusterOf(t);
  const [client, backendPod, copyPod, collectorPod] = ['client', 'backend', 'copy', 'collector'].map((name) =>
    cluster.addPod(name),
  ) as [Pod, Pod, Pod, Pod];
  const at = (pod: Pod, port: number) => [{ address: pod.v4, port }];
  cluster.addService('10.96.0.11', 80, at(backendPod, ECHO_PORT));
  cluster.addService('10.96.0.12', 80, at(copyPod, ECHO_PORT));
  cluster.addService('10.96.0.13', 80, []);
  cluster.addService('10.96.0.15', 80, at(backendPod, GRPC_PORT));
  cluster.addService(COLLECTOR, COLLECTOR_PORT, at(collectorPod, COLLECTOR_PORT));
  const backend = await Echo.start(backendPod, 'shop');
  const copy = await Echo.start(copyPod, 'shop');
  await startFixture(backendPod, 'grpc-calls-server', String(GRPC_PORT), 'a');
  const collector = await OtlpCollector.start(collectorPod);
  const { path: routes } = new ConfigMapMount(join(directory.path, 'routes'), { 'all.yaml': documents });
  client.must([...SIDEROUTE, 'iptables', 'apply', '--service-cidrs', '10.96.0.0/16,fd00:96::/112']);
  const curl = (...args: string[]) => client.must(['curl', '-sS', '--max-time', '20', ...args]);
  return {
    ...{ client, collector, backend, copy, routes, curl, directory: directory.path },
    echoed: (path, ...args) => JSON.parse(curl(...args, `http://${WEB}${path}`)) as EchoedRequest,
    start: async (t, ...flags) => {
      collector.behave({ status: 200 });
      collector.forget();
      const sidecar = await Sidecar.startProxy(client, routes, '--namespace', 'shop', ...flags);
      t.teardown(() => sidecar.stop());
      return sidecar;
    },
  };
}

function names(events: ReceivedSpan['events']): string[] {
  return events.map(({ name }) => name);
}

function failures(sidecar: Sidecar): string[] {
  return sidecar.log.filter((line) => line.includes('spans could not be exported'));
}

function dropped(sidecar: Sidecar, reason: string): number {
  return sidecar.metric(new RegExp(`^sideroute_spans_dropped_total\\{reason="${reason}"\\} `));
}

t.test('traces', { timeout: 280_000 }, async (t) => {
  const stage = await startStage(t);
  const { client, collector, backend, copy, curl, echoed } = stage;

  await t.test('off: nothing is sent, and traceparent reaches the backend as it came', async (t) => {
    const sidecar = await stage.start(t);
    t.same(echoed('/plain', ...SAMPLED).headers['traceparent'], [`00-${TRACE}-${PARENT}-01`]);
    t.equal(echoed('/plain').headers['traceparent'], undefined, 'none is made up');
    t.equal(await sidecar.stop(), 0);
    t.same(collector.received().requests, []);
  });

  await t.test(
    'a trace goes on: the span is a child of the caller, and the parent of what the backend does',
    async (t) => {
      const sidecar = await stage.start(t, ...ENDPOINT, '--traces-sample', '0');
      const state = ['-H', 'tracestate: vendor=a b!,other=1'];
      const { headers } = echoed(
        '/plain/x?token=secret',
        ...SAMPLED,
        ...state,
        '-H',
        'x-request-id: one',
        '-A',
        'me/1',
      );
      const [span] = await collector.spans(1);
      t.equal(span!.traceId, TRACE);
      t.equal(span!.parentSpanId, PARENT);
      t.match(span!.spanId, /^[0-9a-f]{16}$/);
      t.same(headers['traceparent'], [`00-${TRACE}-${span!.spanId}-01`]);
      t.same(headers['tracestate'], ['vendor=a b!,other=1'], 'passed on untouched');
      t.equal(span!.traceState, 'vendor=a b!,other=1');
      t.match(span, {
        ...{ name: 'GET shop/web', kind: 'SPAN_KIND_CLIENT', status: 'STATUS_CODE_UNSET', scope: 'sideroute' },
        resource: { 'service.name': 'sideroute', 'k8s.namespace.name': 'shop' },
        attributes: {
          'http.request.method': 'GET',
          'http.response.status_code': 200,
          'url.path': '/plain/x',
          'url.scheme': 'http',
          'server.address': WEB,
          'server.port': 80,
          'network.protocol.version': '1.1',
          'network.peer.address': '10.96.0.11',
          'network.peer.port': 80,
          'user_agent.original': 'me/1',
          'sideroute.frontend': 'shop/web:80',
          'sideroute.route': 'shop/web',
          'sideroute.rule': 'plain',
          'sideroute.backend': 'shop/v1:80',
          'sideroute.request_id': 'one',
        },
      });
      t.notMatch(JSON.stringify(span), /secret/, 'queries are nowhere');
      t.ok(Number(span!.attributes['sideroute.bytes_sent']) > 100);
      t.same(names(span!.events), ['sideroute.attempt']);
      t.ok(BigInt(span!.end) >= BigInt(span!.start));
      t.ok(Math.abs(Number(BigInt(span!.start) / 1_000_000n) - Date.now()) < 60_000, 'it is of now');
      const [request] = collector.received().requests;
      t.match(request, { method: 'POST', path: '/v1/traces', headers: { 'content-type': 'application/x-protobuf' } });
      await eventually('counted', () => sidecar.metric(/^sideroute_spans_exported_total /) === 1);
      t.equal(sidecar.metric(/^sideroute_loops/), 0);
    },
  );

  await t.test('W3C Trace Context: versions, flags, and what is not valid', async (t) => {
    await stage.start(t, ...ENDPOINT, '--traces-sample', '0');
    const traceparent = (...values: string[]) =>
      echoed('/plain', ...values.flatMap((value) => ['-H', `traceparent: ${value}`])).headers['traceparent'];
    for (const untouched of [
      `00-${TRACE}-${PARENT}-00`,
      `00-${TRACE}-${PARENT}-fe`,
      `ff-${TRACE}-${PARENT}-01`,
      `00-${TRACE}-${PARENT}-01-more`,
      `00-${'0'.repeat(32)}-${PARENT}-01`,
      `00-${TRACE}-${'0'.repeat(16)}-01`,
      `00-${TRACE.toUpperCase()}-${PARENT}-01`,
      'nonsense',
    ]) {
      t.same(traceparent(untouched), [untouched], 'neither sampled nor changed');
    }
    const twice = [`00-${TRACE}-${PARENT}-01`, `00-${TRACE}-${PARENT}-01`];
    t.same(traceparent(...twice), twice, 'two are none');
    const later = traceparent(`cc-${TRACE}-${PARENT}-03-what-the-future-will-be`);
    const [span, ...others] = await collector.spans(1);
    t.same(others, []);
    t.same(later, [`00-${TRACE}-${span!.spanId}-03`], 'a later version is read as far as it is known');
    t.equal(span!.parentSpanId, PARENT);
  });

  await t.test(
    'a rate of 1: a trace begins with what comes without one, and a caller that says no is heard',
    async (t) => {
      await stage.start(t, ...ENDPOINT, '--traces-sample', '1');
      t.same(echoed('/plain', '-H', `traceparent: 00-${TRACE}-${PARENT}-00`).headers['traceparent'], [
        `00-${TRACE}-${PARENT}-00`,
      ]);
      const invalid = echoed('/plain', '-H', 'traceparent: nonsense', '-H', 'tracestate: of=nobody').headers;
      const none = echoed('/plain').headers;
      const spans = await collector.spans(2);
      t.equal(spans.length, 2);
      for (const [index, headers] of [invalid, none].entries()) {
        const { traceId, spanId, parentSpanId, traceState } = spans[index]!;
        t.equal(parentSpanId, '');
        t.equal(traceState, '');
        t.same(headers['traceparent'], [`00-${traceId}-${spanId}-01`]);
        t.equal(headers['tracestate'], undefined, 'it belongs to no valid traceparent');
      }
      t.not(spans[0]!.traceId, spans[1]!.traceId);
    },
  );

  await t.test('a rate between: a part of the requests', async (t) => {
    const sidecar = await stage.start(t, ...ENDPOINT, '--traces-sample', '0.5');
    backend.forget();
    // None or all of 200 has a chance of one in 2^199.
    curl('-o', '/dev/null', `http://${WEB}/plain/[1-200]`);
    t.equal(await sidecar.stop(), 0);
    const begun = backend.seen().received.filter(({ headers }) => headers['traceparent'] !== undefined);
    t.ok(begun.length > 0 && begun.length < 200, `${begun.length} of 200`);
    t.same(
      collector
        .received()
        .spans.map(({ spanId }) => spanId)
        .sort(),
      begun.map(({ headers }) => headers['traceparent']![0]!.slice(36, 52)).sort(),
      'those that say so have their span, sent when the sidecar ends',
    );
  });

  await t.test('retries and copies are events, what sideroute answers has its reason', async (t) => {
    await stage.start(t, ...ENDPOINT, '--traces-sample', '1');
    copy.forget();
    echoed('/retry/a?uuid=traces&succeedAfter=2');
    const mirrored = echoed('/mirrored');
    curl('-o', '/dev/null', `http://${WEB}/refused`, `http://${WEB}/nowhere`);
    const [retry, mirror, refused, nowhere] = await collector.spans(4);
    t.same(names(retry!.events), [
      'sideroute.attempt',
      'sideroute.retry',
      'sideroute.attempt',
      'sideroute.retry',
      'sideroute.attempt',
    ]);
    t.match(retry!.events[1]!.attributes, { 'http.response.status_code': 500 });
    t.match(retry!.attributes, { 'http.request.resend_count': 2, 'http.response.status_code': 200 });
    t.equal(retry!.status, 'STATUS_CODE_UNSET');
    t.ok(names(mirror!.events).includes('sideroute.mirror'));
    t.match(mirror!.events.find(({ name }) => name === 'sideroute.mirror')!.attributes, {
      'sideroute.backend': 'shop/copy:80',
    });
    await eventually('the copy', () => copy.seen().count === 1);
    t.same(
      copy.seen().received[0]!.headers['traceparent'],
      mirrored.headers['traceparent'],
      'a copy is of the same trace',
    );
    t.match(refused, {
      status: 'STATUS_CODE_ERROR',
      attributes: {
        'sideroute.reason': 'connect_failure',
        'error.type': 'connect_failure',
        'http.response.status_code': 503,
      },
    });
    t.match(nowhere, {
      ...{ name: 'GET', status: 'STATUS_CODE_ERROR' },
      attributes: { 'sideroute.reason': 'no_route', 'http.response.status_code': 404, 'url.path': '/nowhere' },
    });
    t.same(nowhere!.events, []);
  });

  await t.test('calls of gRPC, over HTTP/2', async (t) => {
    await stage.start(t, ...ENDPOINT, '--traces-sample', '0');
    const message = join(stage.directory, 'message');
    writeFileSync(message, Buffer.alloc(5));
    const call = (method: string) =>
      curl(
        ...['--http2-prior-knowledge', '-o', '/dev/null', '-H', 'content-type: application/grpc', '-H', 'te: trailers'],
        ...[...SAMPLED, '--data-binary', `@${message}`, `http://10.96.0.14/sideroute.test.Calls/${method}`],
      );
    call('Say');
    call('Nobody');
    const [said, nobody] = await collector.spans(2);
    t.match(said, {
      ...{ name: 'POST shop/calls', traceId: TRACE, parentSpanId: PARENT, status: 'STATUS_CODE_UNSET' },
      attributes: {
        ...{ 'rpc.system': 'grpc', 'rpc.grpc.status_code': 0, 'network.protocol.version': '2' },
        ...{ 'url.path': '/sideroute.test.Calls/Say', 'sideroute.backend': 'shop/calls-v1:80' },
      },
    });
    t.match(nobody, {
      status: 'STATUS_CODE_ERROR',
      attributes: { 'rpc.grpc.status_code': 12, 'sideroute.reason': 'no_route', 'http.response.status_code': 200 },
    });
  });

  await t.test(
    'the environment of OpenTelemetry: headers, compression, names; secrets are in no log and no endpoint',
    async (t) => {
      const variables = {
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://${COLLECTOR}:${COLLECTOR_PORT}`,
        OTEL_TRACES_SAMPLER_ARG: '1',
        OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20s3cret,x-tenant=shop',
        OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
        OTEL_SERVICE_NAME: 'checkout',
        OTEL_RESOURCE_ATTRIBUTES: 'service.version=7,deployment.environment.name=test',
      };
      Object.assign(process.env, variables);
      t.teardown(() => Object.keys(variables).forEach((name) => Reflect.deleteProperty(process.env, name)));
      const sidecar = await stage.start(t);
      echoed('/plain');
      const [span] = await collector.spans(1);
      t.match(span!.resource, {
        'service.name': 'checkout',
        'service.version': '7',
        'deployment.environment.name': 'test',
      });
      const { headers } = collector.received().requests[0]!;
      t.match(headers, { authorization: 'Bearer s3cret', 'x-tenant': 'shop', 'content-encoding': 'gzip' });
      collector.behave({ status: 401 });
      echoed('/plain');
      await eventually('refused', () => dropped(sidecar, 'refused') === 1);
      await eventually('told', () => failures(sidecar).length > 0);
      t.match(failures(sidecar)[0], /status 401/);
      t.notMatch(sidecar.log.join('\n'), /s3cret/);
      for (const path of ['/config', '/stats', '/explain?service=web.shop:80'])
        t.notMatch(curl(`http://127.0.0.1:15000${path}`), /s3cret/, path);
    },
  );

  await t.test('a collector that is busy is asked again, not before it says so, and spans are sent once', async (t) => {
    const sidecar = await stage.start(t, ...ENDPOINT, '--traces-sample', '1');
    for (const status of [429, 503]) {
      collector.behave({ status, headers: { 'retry-after': '1' } });
      collector.forget();
      echoed(`/plain/${status}`);
      await eventually('asked', () => collector.received().requests.length >= 1);
      collector.behave({ status: 200 });
      const spans = await collector.spans(1);
      t.same(
        spans.map(({ attributes }) => attributes['url.path']),
        [`/plain/${status}`],
      );
      t.same(
        collector.received().requests.map(({ status }) => status),
        [status, 200],
      );
    }
    t.equal(dropped(sidecar, 'failed'), 0);
    collector.behave({ status: 200, rejected: 1 });
    echoed('/plain');
    await eventually('what is not wanted is counted', () => dropped(sidecar, 'refused') === 1);
    collector.behave({ status: 400 });
    collector.forget();
    echoed('/plain');
    await eventually('a request that is wrong is not repeated', () => dropped(sidecar, 'refused') === 2);
    t.equal(collector.received().requests.length, 1);
  });

  await t.test(
    'a collector that is down or stalls holds up nothing; what is lost is counted, the log says so once',
    async (t) => {
      const sidecar = await stage.start(t, ...ENDPOINT, '--traces-sample', '1');
      collector.stop();
      await eventually(
        'it is down',
        () => client.run(['curl', '-s', `http://${COLLECTOR}:${COLLECTOR_PORT}/`]).status !== 0,
      );
      // More than the queue holds.
      curl('-Z', '--parallel-max', '20', '-o', '/dev/null', `http://${WEB}/plain/[1-6000]`);
      await eventually('the queue is full', () => dropped(sidecar, 'queue') > 0, 30_000);
      await eventually('told', () => failures(sidecar).length > 0);
      t.equal(failures(sidecar).length, 1);
      await collector.startAgain();
      await collector.spans(1);
      collector.behave({ status: 200, delayMs: 60_000 });
      echoed('/plain');
      t.equal(await sidecar.stop(), 0, 'and it ends, though nobody answers');
    },
  );

  await t.test('the engine uws: the same spans', { skip: withoutUws }, async (t) => {
    await stage.start(t, ...ENDPOINT, '--engine', 'uws');
    const { headers } = echoed('/plain/x', ...SAMPLED);
    const [span] = await collector.spans(1);
    t.same(headers['traceparent'], [`00-${TRACE}-${span!.spanId}-01`]);
    t.match(span, {
      ...{ name: 'GET shop/web', traceId: TRACE, parentSpanId: PARENT },
      attributes: { 'url.path': '/plain/x', 'server.address': WEB, 'http.response.status_code': 200 },
    });
  });

  await t.test('several workers: each span is exported once', async (t) => {
    const sidecar = await stage.start(t, ...ENDPOINT, '--traces-sample', '1', '--workers', '3');
    backend.forget();
    const load = client.spawn(fixture('load-client', `http://${WEB}/plain`, '16'));
    await waitForLine(load, /^running/);
    await eventually('some requests', () => backend.seen().count > 300);
    const result = waitForLine(load, /^\{/);
    load.kill('SIGTERM');
    await result;
    t.equal(await sidecar.stop(), 0);
    const { received, count } = backend.seen();
    const spans = collector.received().spans.map(({ spanId }) => spanId);
    t.equal(new Set(spans).size, spans.length, 'none twice');
    t.equal(spans.length, count);
    t.same(spans.sort(), received.map(({ headers }) => headers['traceparent']![0]!.slice(36, 52)).sort());
  });

  await t.test('settings that are of no use are refused by name, without a secret', async (t) => {
    const refused = (...args: string[]) => client.run([...SIDEROUTE, 'proxy', '--routes', stage.routes, ...args]);
    for (const [args, complaint] of [
      [['--traces-endpoint', 'collector:4318'], /--traces-endpoint/],
      [['--traces-endpoint', 'http://b?token=s3cret'], /--traces-endpoint.*without user/],
      [[...ENDPOINT, '--traces-sample', '2'], /--traces-sample.*from 0 to 1/s],
    ] as const) {
      const { status, stderr } = refused(...args);
      t.not(status, 0);
      t.match(stderr, complaint);
      t.notMatch(stderr, /s3cret/);
    }
    for (const [name, value, args, complaint] of [
      ['OTEL_EXPORTER_OTLP_HEADERS', 's3cret', ENDPOINT, /OTEL_EXPORTER_OTLP_HEADERS.*name=value/],
      ['OTEL_EXPORTER_OTLP_ENDPOINT', 'http://a:s3cret@b/', [], /OTEL_EXPORTER_OTLP_ENDPOINT.*without user/],
      [
        'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
        'http://a:s3cret@b/',
        [],
        /OTEL_EXPORTER_OTLP_TRACES_ENDPOINT.*without user/,
      ],
      [
        'OTEL_EXPORTER_OTLP_CERTIFICATE',
        '/nowhere/ca.crt',
        ['--traces-endpoint', 'https://collector'],
        /OTEL_EXPORTER_OTLP_CERTIFICATE: \/nowhere\/ca\.crt cannot be read: ENOENT/,
      ],
    ] as const) {
      process.env[name] = value;
      const { status, stderr } = refused(...args);
      Reflect.deleteProperty(process.env, name);
      t.not(status, 0);
      t.match(stderr, complaint);
      t.notMatch(stderr, /s3cret/);
    }
  });
});
