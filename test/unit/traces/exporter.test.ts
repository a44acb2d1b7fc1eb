/** The exporter of spans against a collector that answers as it is told: batches, bounds, repetition, the end. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { createLogger } from '../../../src/log.ts';
import { TraceExporter, type ExporterLimits } from '../../../src/traces/exporter.ts';
import { eventually } from '../../support/eventually.ts';
import { spanLine as line } from '../../support/span-line.ts';

type Answer = (response: ServerResponse, attempt: number) => void;

const ok: Answer = (response) => response.end();

/** Sizes of the bodies that have come are in `bodies`. */
async function startCollector(
  t: Test,
  answer: Answer,
): Promise<{ readonly endpoint: string; readonly bodies: number[] }> {
  const bodies: number[] = [];
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let bytes = 0;
    for await (const part of request as AsyncIterable<Buffer>) bytes += part.length;
    bodies.push(bytes);
    answer(response, bodies.length);
  };
  const server = createServer((request, response) => void take(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`, bodies };
}

function exporter(t: Test, endpoint: string, limits: Partial<ExporterLimits> = {}, env: NodeJS.ProcessEnv = {}) {
  const log: string[] = [];
  const logger = createLogger('info', (text) => log.push(text));
  const made = new TraceExporter({
    ...{ endpoint, env, logger, namespace: null, version: '1' },
    limits: { delayMs: 1, firstBackoffMs: 1, mostBackoffMs: 2, ...limits },
  });
  t.teardown(() => made.close(0));
  return { made, log };
}

t.test('spans go out in batches, one request after the other', async (t) => {
  let open = 0;
  let most = 0;
  const { endpoint, bodies } = await startCollector(t, (response) => {
    most = Math.max(most, ++open);
    setImmediate(() => {
      open--;
      response.end();
    });
  });
  const { made } = exporter(t, endpoint, { batchSpans: 10 });
  made.add(line().repeat(25));
  await eventually('all of them', () => made.counts.exported === 25);
  t.equal(bodies.length, 3);
  t.equal(most, 1);
});

t.test('a queue that is full drops what comes, in spans and in bytes, and counts it', async (t) => {
  const waiting: ServerResponse[] = [];
  const { endpoint } = await startCollector(t, (response) => waiting.push(response));
  const spans = exporter(t, endpoint, { queuedSpans: 3, batchSpans: 1 });
  const bytes = exporter(t, endpoint, { queuedBytes: 3 * line().length, batchSpans: 1 });
  for (const { made } of [spans, bytes]) {
    made.add(line());
    await eventually('one is on its way', () => waiting.length > 0);
    waiting.length = 0;
    made.add(line().repeat(5));
    t.equal(made.counts.queue, 2);
    t.equal(made.counts.exported, 0);
  }
});

t.test('a collector that is busy is asked again until it is tried often enough', async (t) => {
  for (const status of [429, 502, 503, 504]) {
    const { endpoint, bodies } = await startCollector(t, (response, attempt) =>
      response.writeHead(attempt < 3 ? status : 200).end(),
    );
    const { made } = exporter(t, endpoint);
    made.add(line());
    await eventually('taken', () => made.counts.exported === 1);
    t.equal(bodies.length, 3);
    t.equal(new Set(bodies).size, 1, 'the same request');
  }
  const { endpoint, bodies } = await startCollector(t, (response) => response.writeHead(503).end());
  const { made } = exporter(t, endpoint, { attempts: 4 });
  made.add(line());
  await eventually('given up', () => made.counts.failed === 1);
  t.equal(bodies.length, 4);
});

t.test('a collector that hangs up without an answer is asked again, on another connection', async (t) => {
  const { endpoint, bodies } = await startCollector(t, (response, attempt) => {
    if (attempt === 1) response.destroy();
    else response.end();
  });
  const { made, log } = exporter(t, endpoint);
  made.add(line());
  await eventually('taken', () => made.counts.exported === 1);
  t.equal(bodies.length, 2);
  t.match(log[0], /"why":"ECONNRESET"/);
  t.equal(made.counts.failed, 0);
});

t.test('a part that the collector does not want is counted, and never sent again', async (t) => {
  // ExportTraceServiceResponse { partial_success { rejected_spans: 2, error_message: "no" } }
  const answer = Buffer.from([0x0a, 0x06, 0x08, 0x02, 0x12, 0x02, 0x6e, 0x6f]);
  const { endpoint, bodies } = await startCollector(t, (response) => response.end(answer));
  const { made, log } = exporter(t, endpoint, { batchSpans: 3 });
  made.add(line().repeat(6));
  await eventually('all', () => made.counts.exported + made.counts.refused === 6);
  t.match(made.counts, { exported: 2, refused: 4, failed: 0 });
  t.equal(bodies.length, 2);
  t.match(log[0], /a part of them is not wanted/);
});

t.test('Retry-After, in seconds or as a date, puts the next attempt off, within a bound', async (t) => {
  for (const after of ['3600', new Date(Date.now() + 3_600_000).toUTCString()]) {
    const { endpoint, bodies } = await startCollector(t, (response, attempt) =>
      attempt === 1 ? response.writeHead(429, { 'retry-after': after }).end() : response.end(),
    );
    const patient = exporter(t, endpoint, { mostRetryAfterMs: 3_600_000 });
    patient.made.add(line());
    await eventually('it is told', () => patient.log.length === 1);
    t.equal(bodies.length, 1);
    await patient.made.close(5_000);
    t.equal(bodies.length, 2, 'at the end it is tried once more, at once');
    t.equal(patient.made.counts.exported, 1);
    const bounded = exporter(t, endpoint, { mostRetryAfterMs: 1 });
    bounded.made.add(line());
    await eventually('taken', () => bounded.made.counts.exported === 1);
  }
});

t.test('any other answer is not repeated; the log says so once, and when it is well again', async (t) => {
  const { endpoint, bodies } = await startCollector(t, (response, attempt) =>
    response.writeHead([400, 401, 404, 500, 301][attempt - 1] ?? 200).end('x'.repeat(1_000_000)),
  );
  const { made, log } = exporter(t, endpoint, { batchSpans: 1 });
  made.add(line().repeat(6));
  await eventually('all', () => made.counts.exported === 1);
  t.equal(made.counts.refused, 5);
  t.equal(bodies.length, 6);
  t.equal(log.length, 2, log.join(''));
  t.match(log[0], /spans could not be exported.*status 400/);
  t.match(log[1], /exported again/);
});

t.test('who stalls is left after the timeout, who is not there is tried again', async (t) => {
  const { endpoint } = await startCollector(t, () => undefined);
  const stalls = exporter(t, endpoint, { attempts: 2 }, { OTEL_EXPORTER_OTLP_TIMEOUT: '20' });
  stalls.made.add(line());
  await eventually('given up', () => stalls.made.counts.failed === 1);
  t.match(stalls.log[0], /"why":"timeout"/);
  const absent = exporter(t, 'http://127.0.0.1:1', { attempts: 2 });
  absent.made.add(line());
  await eventually('given up', () => absent.made.counts.failed === 1);
  t.match(absent.log[0], /"why":"ECONNREFUSED"/);
});

t.test('the end sends what there is, for so long as it may, and takes no more', async (t) => {
  const { endpoint, bodies } = await startCollector(t, ok);
  const { made } = exporter(t, endpoint, { delayMs: 3_600_000 });
  made.add(line());
  await made.close(10_000);
  t.equal(made.counts.exported, 1);
  made.add(line());
  t.equal(bodies.length, 1);
  const stalled = await startCollector(t, () => undefined);
  const { made: other } = exporter(t, stalled.endpoint, { batchSpans: 1 });
  other.add(line().repeat(3));
  await other.close(20);
  t.equal(other.counts.failed, 3);
});
