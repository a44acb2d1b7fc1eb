import t from 'tap';
import type { HttpRouteRule } from '../../../src/gateway-api/types.ts';
import { compilePolicy } from '../../../src/routing/policy.ts';
import { backend, rule } from '../../support/routes.ts';
import { OneRule } from '../../support/filters.ts';

const NONE = { requestMs: null, backendRequestMs: null };
const MAX_MS = 2_147_483_647;

function policy(options: Partial<HttpRouteRule>) {
  return compilePolicy(rule(options));
}

t.test('SPEC T1, T2: timeouts are limits in milliseconds, 0s and absence are none', async (t) => {
  const cases: readonly (readonly [number | null, number | null, number, number])[] = [
    [1000, 500, 1000, 500],
    [1000, null, 1000, 0],
    [1000, 0, 1000, 0],
    [0, 500, 0, 500],
    [null, 500, 0, 500],
    [1, 1, 1, 1],
    [99_999 * 3_600_000, MAX_MS + 1, MAX_MS, MAX_MS],
  ];
  for (const [requestMs, backendRequestMs, requestTimeoutMs, attemptTimeoutMs] of cases) {
    t.same(
      policy({ timeouts: { requestMs, backendRequestMs } }),
      { requestTimeoutMs, attemptTimeoutMs, retry: null },
      `${requestMs} ${backendRequestMs}`,
    );
  }
  for (const timeouts of [NONE, { requestMs: 0, backendRequestMs: 0 }, { requestMs: 0, backendRequestMs: null }]) {
    t.equal(policy({ timeouts }), null);
  }
});

t.test('SPEC R1, R2, R3: attempts and codes are as given, no code is fine', async (t) => {
  t.same(policy({ retry: { codes: [], attempts: 1, backoffMs: null } }), {
    requestTimeoutMs: 0,
    attemptTimeoutMs: 0,
    retry: { attempts: 1, codes: [], backoffMs: 25 },
  });
  t.same(policy({ retry: { codes: [500, 503], attempts: 3, backoffMs: 100 } })!.retry, {
    attempts: 3,
    codes: [500, 503],
    backoffMs: 100,
  });
  t.equal(policy({ retry: { codes: [], attempts: MAX_MS, backoffMs: null } })!.retry!.attempts, 65_535);
});

t.test('SPEC V1, R1: no attempts are no retries, whatever codes are listed', async (t) => {
  const retry = { codes: [500, 503], attempts: 0, backoffMs: 10 };
  const off = { attemptTimeoutMs: 0, retry: null, once: true };
  t.same(policy({ retry }), { requestTimeoutMs: 0, ...off });
  t.same(policy({ retry, timeouts: { requestMs: 1000, backendRequestMs: null } }), { requestTimeoutMs: 1000, ...off });
});

t.test('SPEC R4: the wait before a retry is never zero', async (t) => {
  for (const [backoffMs, expected] of [
    [0, 1],
    [1, 1],
    [null, 25],
    [MAX_MS + 1, MAX_MS],
  ] as const) {
    t.equal(policy({ retry: { codes: [], attempts: 1, backoffMs } })!.retry!.backoffMs, expected);
  }
});

t.test('SPEC R6: timeouts and retries of a rule hold for all its backends together', async (t) => {
  const one = new OneRule({
    timeouts: { requestMs: 1000, backendRequestMs: 300 },
    retry: { codes: [503], attempts: 2, backoffMs: null },
    backendRefs: [backend('v/v1:80'), backend('v/v2:80')],
  });
  const expected = {
    requestTimeoutMs: 1000,
    attemptTimeoutMs: 300,
    retry: { attempts: 2, codes: [503], backoffMs: 25 },
  };
  const decisions = [one.forward(), one.forward()];
  t.equal(new Set(decisions.map(({ backend: { name } }) => name)).size, 2);
  for (const decision of decisions) t.same(decision.policy, expected);
  t.equal(new OneRule({}).forward().policy, null);
});
