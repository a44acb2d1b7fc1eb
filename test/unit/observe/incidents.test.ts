/** What the log says of requests and connections that sideroute answers or drops itself; time is the test's. */
import t from 'tap';
import type { LogFields } from '../../../src/log.ts';
import { connectionIncidents, IncidentLog, requestIncidents } from '../../../src/observe/incidents.ts';

/** A log, what was written to it since it was asked last, and its clock. */
function start() {
  let lines: LogFields[] = [];
  const clock = { nowMs: 0 };
  const warn = (message: string, fields?: LogFields): void => void lines.push({ message, ...fields });
  const written = (): readonly LogFields[] => {
    const all = lines;
    lines = [];
    return all;
  };
  return { log: new IncidentLog({ warn }, () => clock.nowMs), clock, written };
}

t.test('at most five lines of each reason in ten seconds, and how many there would have been', (t) => {
  const { log, clock, written } = start();
  for (let i = 0; i < 8; i++) log.record('m', 'a', () => ({ i }));
  log.record('m', 'b', () => ({}));
  log.record('n', 'a', () => ({}));
  t.strictSame(written(), [
    ...[0, 1, 2, 3, 4].map((i) => ({ message: 'm', reason: 'a', i })),
    { message: 'm', reason: 'b' },
    { message: 'n', reason: 'a' },
  ]);
  clock.nowMs = 9_999;
  log.record('m', 'a', () => ({ unread: t.fail('nobody reads it') }));
  t.strictSame(written(), []);
  clock.nowMs = 10_000;
  for (let i = 0; i < 2; i++) log.record('m', 'a', () => ({ i }));
  t.strictSame(written(), [
    { message: 'm', reason: 'a', i: 0, suppressedBefore: 4 },
    { message: 'm', reason: 'a', i: 1 },
  ]);
  t.end();
});

t.test('a request that no backend has answered, unless its route wants that, and one that was refused', (t) => {
  const { log, written } = start();
  const requests = requestIncidents(
    log,
    (frontend) => (frontend === 3 ? 'shop/web:80' : null),
    (series) => ({ series }),
  );
  const outcome = { series: 7, status: 503 };
  requests.onReason('unresolved', outcome);
  requests.onReason('timeout', { ...outcome, status: 200, grpcStatus: 'DEADLINE_EXCEEDED' });
  requests.onReason('redirect', { ...outcome, status: 302 });
  requests.onRefused(3, 'bad_request');
  requests.onRefused(4, 'bad_request');
  t.strictSame(written(), [
    { message: 'request not answered by a backend', reason: 'unresolved', status: 503, series: 7 },
    {
      ...{ message: 'request not answered by a backend', reason: 'timeout', status: 200 },
      ...{ grpcStatus: 'DEADLINE_EXCEEDED', series: 7 },
    },
    { message: 'request refused', reason: 'bad_request', parent: 'shop/web:80' },
    { message: 'request refused', reason: 'bad_request', parent: null },
  ]);
  t.end();
});

t.test('a connection that was dropped, and a limit of all of them', (t) => {
  const { log, written } = start();
  const { onDropped, onPaused } = connectionIncidents(log, () => ({ connections: 9 }));
  onDropped('loop', '10.96.0.10', 80, 'EINVAL');
  onDropped('loop', 'fd00::1', 80, 'ELOOP');
  onPaused('connections');
  const [dropped, own, paused] = written();
  t.strictSame(dropped, {
    ...{ message: 'connection dropped', reason: 'loop', destination: '10.96.0.10:80', errorCode: 'EINVAL' },
  });
  t.match(own, { destination: '[fd00::1]:80', hint: /^dialled by this sidecar \(uid \d+\)/ });
  t.strictSame(paused, { message: 'accepting pauses', reason: 'accept_limit', limit: 'connections', connections: 9 });
  t.end();
});
