/** Timeouts, retries and mirrors: what the backends receive, and what becomes of the request meanwhile. */
import type { Test } from 'tap';
import type { EchoedRequest } from '../../support/echo.ts';
import { eventually } from '../../support/eventually.ts';
import { answered, served, type ConformanceCase, type Send } from './case.ts';
import type { EchoName, Mesh } from './mesh.ts';

/** As the official suite asks for: so many successes in a row. */
const ROUNDS = 3;

/** A route, what its backend does, the status that comes of it, and how many attempts the backend sees. */
interface RetryLine {
  /** `GET` unless given. */
  readonly method?: string;
  readonly path: string;
  readonly pod: EchoName;
  readonly responseCode?: number;
  /** The backend resets the connection instead of answering with a code. */
  readonly reset?: boolean;
  readonly succeedAfter: number;
  readonly delayRetry?: string;
  readonly delaySuccess?: string;
  readonly delay?: string;
  readonly status: number;
  readonly attempts: number;
  readonly reason?: string;
}

let uuids = 0;

/** All lines at once, as the official test does, several times over. */
async function retryLines(t: Test, mesh: Mesh, lines: readonly RetryLine[]): Promise<void> {
  for (const pod of new Set(lines.map(({ pod }) => pod))) mesh.echoes[pod].forget();
  for (let round = 1; round <= ROUNDS; round += 1) {
    const targets = lines.map(({ path, responseCode, reset, succeedAfter, delayRetry, delaySuccess, delay }) => {
      uuids += 1;
      const query = new URLSearchParams({ uuid: String(uuids), succeedAfter: String(succeedAfter) });
      if (responseCode !== undefined) query.set('responseCode', String(responseCode));
      if (reset === true) query.set('failure', 'reset');
      if (delayRetry !== undefined) query.set('delayRetry', delayRetry);
      if (delaySuccess !== undefined) query.set('delaySuccess', delaySuccess);
      if (delay !== undefined) query.set('delay', delay);
      return `${path}?${query.toString()}`;
    });
    const requests = targets.map((target, index) => ({
      ...{ method: lines[index]!.method ?? 'GET', target },
      headers: [['Host', 'echo']] as const,
    }));
    const answers = await mesh.batch('echo:80', { requests, connections: lines.length });
    const seen = new Map<string, number>();
    for (const pod of new Set(lines.map(({ pod }) => pod))) {
      for (const { path } of mesh.echoes[pod].seen().received) seen.set(path, (seen.get(path) ?? 0) + 1);
    }
    lines.forEach((line, index) => {
      const { status, headers } = answers[index]!;
      const title = `round ${round}: ${targets[index]!}`;
      t.equal(status, line.status, `${title} status`);
      t.equal(headers.find(([name]) => name === 'x-sideroute-reason')?.[1], line.reason, `${title} reason`);
      t.equal(seen.get(targets[index]!), line.attempts, `${title} attempts`);
    });
  }
}

/** 500 and 503 with three attempts for 500, then every code with two, then with none. */
const RETRIES: readonly RetryLine[] = [
  { path: '/retry/code-500-attempts-3', pod: 'echo-v1', responseCode: 500, succeedAfter: 2, status: 200, attempts: 3 },
  { path: '/retry/code-500-attempts-3', pod: 'echo-v1', responseCode: 500, succeedAfter: 4, status: 500, attempts: 4 },
  { path: '/retry/code-500-attempts-3', pod: 'echo-v1', responseCode: 503, succeedAfter: 2, status: 503, attempts: 1 },
  ...[500, 502, 503, 504].flatMap((responseCode): RetryLine[] => {
    const line = { path: '/retry/code-all-attempts-2', pod: 'echo-v1', responseCode } as const;
    return [
      { ...line, succeedAfter: 1, status: 200, attempts: 2 },
      { ...line, succeedAfter: 3, status: responseCode, attempts: 3 },
      { ...line, path: '/retry/code-all-attempts-0', succeedAfter: 1, status: responseCode, attempts: 1 },
    ];
  }),
  { path: '/retry/never', pod: 'echo-v3', responseCode: 500, succeedAfter: 1, status: 500, attempts: 1 },
];

async function retries(t: Test, mesh: Mesh): Promise<void> {
  await retryLines(t, mesh, RETRIES);
  const retried = await mesh.exchange({ target: '/retry/late?uuid=late&succeedAfter=1' });
  t.equal(retried.status, 200);
  t.ok(retried.durationMs >= 300, `the backoff is waited for: ${Math.round(retried.durationMs)} ms`);
  const posted = await mesh.exchange({
    method: 'POST',
    target: '/retry/late?uuid=posted&succeedAfter=1',
    body: 'sent twice',
  });
  t.equal((JSON.parse(posted.body) as EchoedRequest).body, 'sent twice', 'a body is sent with each attempt');
}

/** Ends within the limit, and not at once. */
async function endsAfter(
  t: Test,
  mesh: Mesh,
  send: Send,
  status: number,
  atLeastMs: number,
  belowMs: number,
): Promise<void> {
  const answer = await mesh.exchange(send);
  t.equal(answer.status, status, `${send.target} status`);
  t.ok(
    answer.durationMs >= atLeastMs && answer.durationMs < belowMs,
    `${send.target} took ${Math.round(answer.durationMs)} ms, from ${atLeastMs} to ${belowMs}`,
  );
}

/** The response has begun when the time is over: it must not look complete. */
async function breaksOff(t: Test, mesh: Mesh, path: string): Promise<void> {
  const answer = await mesh.exchange({ target: `${path}?break=3s` });
  t.match(answer, { status: 0, body: 'aborted' }, `${path} is broken off`);
}

async function mirrored(t: Test, mesh: Mesh, pods: readonly EchoName[], send: Send, expected: Partial<EchoedRequest>) {
  for (const pod of pods) mesh.echoes[pod].forget();
  const answer = await mesh.exchange(send);
  t.equal(answer.status, 200);
  const original = JSON.parse(answer.body) as EchoedRequest;
  t.equal(original.pod, 'echo-v1', 'the client has the answer of its backend');
  for (const pod of pods) {
    const [copy] = await eventually(`the copy at ${pod}`, () => {
      const { received } = mesh.echoes[pod].seen();
      return received.length > 0 ? received : null;
    });
    t.match(copy, expected, `${pod} has the request`);
    const { path, method, body, headers } = original;
    t.match(copy, { path, method, body, headers }, 'and it is what the backend has');
    t.equal(mesh.echoes[pod].seen().count, 1, 'once');
  }
}

const MIRRORED: Send = {
  method: 'POST',
  body: 'a body',
  headers: { 'X-Set': 'x', 'X-Add': 'by-client', 'X-Remove': 'x' },
};
const MIRRORED_HEADERS = { 'x-set': ['by-route'], 'x-add': ['by-client', 'by-route'] };

/** So many of 500 requests, give or take three standard deviations. */
async function countMirrored(t: Test, mesh: Mesh, target: string, percent: number): Promise<void> {
  const requests = 500;
  const mirror = mesh.echoes['echo-v2'];
  mirror.forget();
  const answers = await mesh.batch('echo:80', {
    requests: [{ method: 'GET', target, headers: [['Host', 'echo']] }],
    times: requests,
    connections: 4,
    brief: true,
  });
  t.equal(answers.filter(({ status, body }) => status === 200 && body === 'echo-v1').length, requests);
  const expected = (requests * percent) / 100;
  const tolerance = 3 * Math.sqrt((expected * (100 - percent)) / 100);
  const count = await eventually(`${target}: about ${expected} of ${requests}`, () => {
    const { count } = mirror.seen();
    return count >= expected - tolerance ? { count } : null;
  });
  t.ok(count.count <= expected + tolerance, `${target}: ${count.count} of ${requests} were mirrored`);
}

export const RESILIENCE_CASES: readonly ConformanceCase[] = [
  {
    tests: ['HTTPRouteTimeoutRequest'],
    title: 'SPEC T1-T3, E5: the request timeout is 504, or breaks off a response that has begun; 0s is none',
    routes: 'timeouts',
    requests: [
      served('echo-v1', { target: '/request-timeout' }),
      answered(504, 'timeout', { target: '/request-timeout?delay=1s' }),
      served('echo-v1', { target: '/disable-request-timeout?delay=1s' }),
    ],
    also: async (t, mesh) => {
      await endsAfter(t, mesh, { target: '/request-timeout?delay=5s' }, 504, 450, 4_000);
      await breaksOff(t, mesh, '/request-timeout');
    },
  },
  {
    tests: ['HTTPRouteTimeoutBackendRequest'],
    title: 'SPEC T1-T3, E5: the timeout of an attempt is 504, or breaks off a response that has begun; 0s is none',
    routes: 'timeouts',
    requests: [
      served('echo-v1', { target: '/backend-timeout' }),
      answered(504, 'timeout', { target: '/backend-timeout?delay=1s' }),
      served('echo-v1', { target: '/disable-backend-timeout?delay=1s' }),
    ],
    also: async (t, mesh) => {
      await endsAfter(t, mesh, { target: '/backend-timeout?delay=5s' }, 504, 450, 4_000);
      await breaksOff(t, mesh, '/backend-timeout');
    },
  },
  {
    tests: ['HTTPRouteRetry'],
    title:
      'SPEC R1, R2, R4, R5, V1: listed codes are retried so often, with body and backoff, then the last status passes; ' +
      'attempts 0 retries none',
    routes: 'retry',
    requests: [],
    also: retries,
  },
  {
    tests: ['HTTPRouteRetryConnectionError'],
    title: 'SPEC R3, V2: a refused connection is no failure, a reset is one unless its status is listed',
    routes: 'retry-connection-error',
    requests: [],
    also: async (t, mesh) => {
      // Each on a connection of its own to the backend; the official test asks for ten in a row.
      for (const method of ['GET', 'POST']) {
        const headers = [
          ['Host', 'echo'],
          ['X-Echo-Set-Header', 'Connection:close'],
        ] as const;
        const requests = [
          { method, target: '/retry-on-connection-errors', headers, ...(method === 'POST' ? { body: 'x' } : {}) },
        ];
        const answers = await mesh.batch('echo:80', { requests, times: 50, brief: true });
        t.equal(
          answers.filter(({ status, body }) => status === 200 && body === 'echo-v3').length,
          50,
          `50 times ${method}`,
        );
      }
      const line = { path: '/retry/attempts-3', pod: 'echo-v3', reset: true } as const;
      const listed = { ...line, path: '/retry/listed-attempts-3' } as const;
      await retryLines(t, mesh, [
        // A GET would be sent once more if it met a pooled connection, which is not what the route says.
        { ...line, method: 'POST', succeedAfter: 1, status: 502, attempts: 1, reason: 'upstream_reset' },
        { ...listed, method: 'POST', succeedAfter: 1, status: 502, attempts: 1, reason: 'upstream_reset' },
        { ...listed, succeedAfter: 2, status: 200, attempts: 3 },
        { ...listed, succeedAfter: 4, status: 503, attempts: 4, reason: 'retries_exhausted' },
        {
          ...{ ...line, method: 'POST', path: '/retry/no-stanza', succeedAfter: 1 },
          ...{ status: 502, attempts: 1, reason: 'upstream_reset' },
        },
      ]);
    },
  },
  {
    tests: ['HTTPRouteRetryWithRequestTimeout'],
    title: 'SPEC R6, V4, T1: retries go on within the request timeout, which ends them with 504',
    routes: 'retry-with-timeouts',
    requests: [],
    also: async (t, mesh) => {
      const line = { path: '/retry/request-timeout-2s', pod: 'echo-v3', responseCode: 500 } as const;
      await retryLines(t, mesh, [
        { ...line, succeedAfter: 1, status: 200, attempts: 2 },
        { ...line, succeedAfter: 1, delaySuccess: '10s', status: 504, attempts: 2, reason: 'timeout' },
      ]);
      await endsAfter(
        t,
        mesh,
        { target: '/retry/request-timeout-2s?uuid=end&succeedAfter=9&delayRetry=400ms' },
        504,
        1_800,
        6_000,
      );
    },
  },
  {
    tests: ['HTTPRouteRetryWithBackendTimeout'],
    title: 'SPEC R3, V2, V4, T1: attempts within their timeout are retried; one that times out is if 504 is listed',
    routes: 'retry-with-timeouts',
    requests: [answered(504, 'timeout', { target: '/retry/request-timeout-2s?uuid=late&succeedAfter=2&delay=10s' })],
    also: async (t, mesh) => {
      const line = { pod: 'echo-v3', responseCode: 500 } as const;
      const listed = { ...line, path: '/retry/attempt-1s-listed' } as const;
      await retryLines(t, mesh, [
        {
          ...{ ...line, path: '/retry/backend-timeout-5s', succeedAfter: 2, delay: '100ms', delayRetry: '100ms' },
          ...{ status: 200, attempts: 3 },
        },
        { ...listed, succeedAfter: 2, delayRetry: '10s', status: 200, attempts: 3 },
        { ...listed, succeedAfter: 3, delayRetry: '10s', status: 504, attempts: 3, reason: 'timeout' },
        {
          ...{ ...line, path: '/retry/attempt-1s', succeedAfter: 1, delayRetry: '10s' },
          ...{ status: 504, attempts: 1, reason: 'timeout' },
        },
      ]);
    },
  },
  {
    tests: ['HTTPRouteRequestMirror'],
    title: 'SPEC F1, F2, F10: a mirror gets the request as filters before it left it, and what it answers is ignored',
    routes: 'request-mirror',
    conditions: [
      'mesh/request-mirror mesh/echo:80 Accepted=True Accepted',
      'mesh/request-mirror mesh/echo:80 ResolvedRefs=False BackendNotFound',
    ],
    requests: [served('echo-v1', { target: '/mirror-missing' })],
    also: async (t, mesh) => {
      await mirrored(t, mesh, ['echo-v2'], { target: '/mirror?id=1' }, { path: '/mirror?id=1' });
      await mirrored(
        t,
        mesh,
        ['echo-v2'],
        { target: '/mirror-with-headers?id=2', ...MIRRORED },
        { headers: MIRRORED_HEADERS },
      );
    },
  },
  {
    tests: ['HTTPRouteRequestMultipleMirrors'],
    title: 'SPEC F3, F10: several mirrors of a rule each get the request',
    routes: 'request-multiple-mirrors',
    requests: [],
    also: async (t, mesh) => {
      const pods = ['echo-v2', 'echo-v3'] as const;
      await mirrored(t, mesh, pods, { target: '/multi-mirror?id=3' }, { path: '/multi-mirror?id=3' });
      await mirrored(
        t,
        mesh,
        pods,
        { target: '/multi-mirror-with-headers', ...MIRRORED },
        { headers: MIRRORED_HEADERS },
      );
    },
  },
  {
    tests: ['HTTPRouteRequestPercentageMirror'],
    title: 'SPEC F10: a percentage or fraction of the requests is mirrored',
    routes: 'request-percentage-mirror',
    requests: [],
    also: async (t, mesh) => {
      await countMirrored(t, mesh, '/percent', 20);
      await countMirrored(t, mesh, '/fraction', 50);
      await countMirrored(t, mesh, '/percent-with-headers', 35);
      await countMirrored(t, mesh, '/none', 0);
    },
  },
];
