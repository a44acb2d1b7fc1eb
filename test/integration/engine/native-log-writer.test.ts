/** The writer of the access log: a reader that stalls, leaves or comes back, and any bytes as valid JSON. */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';

import type { NativeRequestEntry } from '../../../src/addon/access-log.ts';
import { createAccessLog } from '../../../src/addon/access-log.ts';
import { AccessLog } from '../../../src/observe/access-log.ts';
import { SLOT_MASK } from '../../../src/observe/series-slots.ts';
import { FRONTEND, SERIES } from '../../support/engine-cases.ts';
import { startHarness } from '../../support/engine-harness.ts';
import { eventually } from '../../support/eventually.ts';
import { accessLog, LABELS, LogPipe } from '../../support/log-pipe.ts';
import { temporaryDirectory } from '../../support/sidecar.ts';
import { matches } from '../../support/match.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
/** More than a pipe and the smallest buffer hold. */
const MANY = 400;

const ENTRY: NativeRequestEntry = {
  ...{ frontend: FRONTEND, series: SERIES, status: 200, reason: -1 },
  ...{ method: 'GET', path: '/', host: 'a', requestId: null, traceparent: null, userAgent: null },
  ...{ downstream: null, destination: null, upstream: null },
  ...{ durationMs: 1, requestMs: 0, connectionMs: null, responseMs: null },
};

t.test('a reader that stalls: requests are served as before, lost lines are counted and told of', async (t) => {
  for (const nonblocking of [false, true]) {
    const pipe = new LogPipe(t, { nonblocking });
    const log = accessLog(t, 'all', pipe, 4096);
    const h = await startHarness(t, { engine: { accessLog: log.native } });
    const { client, upstream } = await h.exchange(GET);
    for (let i = 0; i < MANY; i++) {
      if (i > 0) client.send(GET);
      await upstream.take('\r\n\r\n');
      upstream.send(OK);
      await client.take('\r\n\r\nok');
    }
    t.equal(h.host.outcomes.length, MANY);
    const lost = await eventually('lines are lost', () => log.counters().dropped);

    // Now somebody reads again: what waited comes whole and in order, then how much is missing, then what is new.
    const told = () =>
      pipe
        .read()
        .filter(({ kind }) => kind === 'dropped')
        .reduce((sum, line) => sum + (line['lines'] as number), 0);
    // Not just some loss: a line could be lost for want of room while there still is much to write.
    await eventually('all is written or told of', () => {
      const { lines, dropped } = log.counters();
      return told() === dropped && lines + dropped === MANY;
    });
    client.send(GET.replace('GET / ', 'GET /later '));
    await upstream.take('\r\n\r\n');
    upstream.send(OK);
    await client.take('\r\n\r\nok');
    await eventually('later lines come', () => pipe.read().some(({ path }) => path === '/later'));
    const { lines, dropped } = log.counters();
    const read = pipe.read();
    t.equal(lines + dropped, MANY + 1, 'each line is written or lost');
    t.equal(read.filter(({ kind }) => kind === 'request').length, lines);
    t.equal(told(), dropped);
    t.ok(dropped >= lost);
  }
});

t.test('a reader that leaves: lines are lost and counted until there is another', async (t) => {
  const pipe = new LogPipe(t);
  const log = accessLog(t, 'all', pipe);
  const h = await startHarness(t, { engine: { accessLog: log.native } });
  const { client, upstream } = await h.exchange(GET);
  const exchange = async (): Promise<void> => {
    await upstream.take('\r\n\r\n');
    upstream.send(OK);
    await client.take('\r\n\r\nok');
  };
  await exchange();
  await pipe.lines(1);
  pipe.closeReader();
  client.send(GET);
  await exchange();
  await eventually('the line is lost', () => log.counters().dropped === 1);
  pipe.openReader();
  client.send(GET);
  await exchange();
  const lines = await pipe.lines(3);
  t.match(lines[1], { kind: 'request', code: 200 });
  t.match(lines[2], { kind: 'dropped', lines: 1 });
  t.same(log.counters(), { lines: 2, dropped: 1 });
});

t.test('closing writes what waits, within its time; a stalled reader does not hold it up', async (t) => {
  const pipe = new LogPipe(t);
  const log = accessLog(t, 'all', pipe);
  for (let i = 0; i < 50; i++) log.native.request({ ...ENTRY, path: `/${i}` });
  log.close();
  t.same(
    pipe.read().map(({ path }) => path),
    Array.from({ length: 50 }, (_, i) => `/${i}`),
  );
  log.setMode('all');
  log.native.request(ENTRY);
  t.same(log.counters(), { lines: 50, dropped: 0 }, 'nothing is logged afterwards');

  const stalled = new LogPipe(t);
  const other = accessLog(t, 'all', stalled, 256 * 1024);
  for (let i = 0; i < MANY; i++) other.native.request(ENTRY);
  other.native.close(20);
  const { lines, dropped } = other.counters();
  t.ok(lines > 0);
  t.ok(dropped > 0);
  t.equal(lines + dropped, MANY);
});

t.test('a file gets every line', async (t) => {
  const directory = temporaryDirectory();
  t.teardown(directory.remove);
  const path = join(directory.path, 'log');
  const fd = openSync(path, 'w');
  const log = new AccessLog('all', { fd });
  closeSync(fd);
  for (let i = 0; i < 1_000; i++) log.native.request({ ...ENTRY, path: `/${i}` });
  log.close();
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  t.equal(lines.length, 1_000);
  t.match(JSON.parse(lines[999]!), { path: '/999' });
});

t.test('whatever the texts are, a line is one JSON object of printable ASCII', async (t) => {
  const directory = temporaryDirectory();
  t.teardown(directory.remove);
  const path = join(directory.path, 'log');
  const fd = openSync(path, 'w');
  const log = new AccessLog('all', { fd });
  closeSync(fd);
  const bytes = fc
    .array(fc.integer({ min: 0, max: 255 }), { maxLength: 64 })
    .map((codes) => String.fromCharCode(...codes));
  const texts = fc.record({ method: bytes, path: bytes, host: bytes, requestId: bytes, userAgent: bytes });
  const entries = fc.sample(texts, 500);
  for (const entry of entries) log.native.request({ ...ENTRY, ...entry });
  log.close();
  const written = readFileSync(path, 'latin1');
  t.match(written, /^[\n\x20-\x7e]*$/);
  const lines = written.trimEnd().split('\n');
  t.equal(lines.length, entries.length);
  for (const [i, { method, path: target, host, requestId, userAgent }] of entries.entries()) {
    const line = JSON.parse(lines[i]!) as Record<string, unknown>;
    t.same(
      [line['method'], line['path'], line['host'], line['request_id'], line['user_agent']],
      [method, target, host, requestId, userAgent],
    );
  }
});

t.test('traceparent: valid as W3C Trace Context says, else no id at all', async (t) => {
  const pipe = new LogPipe(t);
  const log = accessLog(t, 'all', pipe);
  const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
  const parent = '00f067aa0ba902b7';
  const valid = [`00-${trace}-${parent}-01`, `cc-${trace}-${parent}-01`, `cc-${trace}-${parent}-01-more`];
  const invalid = [
    ...['', 'x', `00-${trace}-${parent}`, `00-${trace}-${parent}-01-more`, `ff-${trace}-${parent}-01`],
    ...[`00-${trace.toUpperCase()}-${parent}-01`, `00-${'0'.repeat(32)}-${parent}-01`],
    ...[`00-${trace}-${'0'.repeat(16)}-01`, `00-${trace}-${parent}-0g`, `00_${trace}-${parent}-01`],
    ...[`00-${trace}-${parent}-01,00-${trace}-${parent}-01`, `cc-${trace}-${parent}-01.more`],
  ];
  for (const traceparent of [...valid, ...invalid]) log.native.request({ ...ENTRY, traceparent });
  const lines = await pipe.lines(valid.length + invalid.length);
  for (const [i, text] of valid.entries()) t.match(lines[i], { trace_id: trace, parent_id: parent }, text);
  for (const [i, text] of invalid.entries()) {
    t.match(lines[valid.length + i], { trace_id: null, parent_id: null }, text);
  }
});

t.test('a series whose slot was given to another one is not mistaken for it', async (t) => {
  const pipe = new LogPipe(t);
  const log = accessLog(t, 'all', pipe);
  const next = SERIES + SLOT_MASK + 1;
  t.equal(log.describeSeries(next, { ...LABELS, routeName: 'next' }), next);
  for (const series of [SERIES, next]) log.native.request({ ...ENTRY, series });
  matches(t, await pipe.lines(2), [
    { frontend: 'ns/svc:80', route: null, rule: null, backend: null },
    { frontend: 'ns/svc:80', route: 'ns/next', rule: 'blue', backend: 'ns/v1:8080' },
  ]);
});

t.test('what is wrong with its options is said', async (t) => {
  const options = { fd: 1, bufferBytes: 4096, reasons: [] };
  t.throws(() => createAccessLog({ ...options, fd: 999_999 }), { code: 'EBADF' });
  t.throws(() => createAccessLog({ ...options, bufferBytes: 1 }), /options\.bufferBytes must be an integer from 4096/);
  t.throws(() => createAccessLog({ ...options, reasons: [{ name: 1 }] as never }), /options\.reasons\[0\]\.name/);
  const log = createAccessLog(options);
  t.throws(() => log.request({ ...ENTRY, path: 1 as never }), /entry\.path must be a string or null/);
  t.throws(() => log.request({ ...ENTRY, upstream: { address: 'x', port: 1 } }), /entry\.upstream\.address/);
  t.throws(() => log.setMode.call({} as never, 'all'), { code: 'ERR_INVALID_THIS' });
  await t.rejects(startHarness(t, { engine: { accessLog: {} as never } }), /options\.accessLog must be an access log/);
});
