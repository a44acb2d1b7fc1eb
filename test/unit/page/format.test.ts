import t from 'tap';
import { CONNECTION_REASONS } from '../../../src/errors.ts';
import type { ConfigFilter, ConfigMatch } from '../../../src/page/answers.ts';
import {
  filterText,
  formatBytes,
  formatDuration,
  formatMs,
  formatRate,
  formatShare,
  formatUptime,
  matchParts,
  matchText,
  PASSTHROUGH_TEXTS,
  limitTexts,
  policyTexts,
  serviceName,
  weightShares,
} from '../../../src/page/format.ts';

t.test('numbers', (t) => {
  t.same([0, 0.01, 0.4, 12.34, 99.96, 1234.5].map(formatRate), ['0', '<0.1', '0.4', '12.3', '100.0', '1,235']);
  t.same([null, 0, 0.0001, 0.012, 0.25, 0.99, 0.9999, 1].map(formatShare), [
    '–',
    '0%',
    '<0.1%',
    '1.2%',
    '25%',
    '99%',
    '99.9%',
    '100%',
  ]);
  t.same([null, 0.25, 12.6, 999, 1_500, 30_000, Infinity].map(formatMs), [
    '–',
    '0.3 ms',
    '13 ms',
    '999 ms',
    '1.5 s',
    '30 s',
    '>30 s',
  ]);
  t.same([5 * 1_048_576, 80 * 1_048_576, 1.5 * 1_073_741_824].map(formatBytes), ['5.0 MiB', '80 MiB', '1.5 GiB']);
  t.same([0, 59_999, 60_000, 3_600_000, 90_061_000].map(formatUptime), [
    '0 s',
    '59 s',
    '1 min 0 s',
    '1 h 0 min',
    '1 d 1 h',
  ]);
  t.same([25, 1_500, 2_000, 60_000, 90_000].map(formatDuration), ['25ms', '1.5s', '2s', '1m', '90s']);
  t.end();
});

function match(fields: Partial<ConfigMatch>): ConfigMatch {
  return { order: 0, path: { type: 'PathPrefix', value: '/' }, headers: [], queryParams: [], method: null, ...fields };
}

t.test('matches', (t) => {
  t.same(matchParts(match({})), []);
  t.equal(matchText(match({})), 'every request');
  t.equal(
    matchText(
      match({
        path: { type: 'RegularExpression', value: '/a+' },
        method: 'GET',
        headers: [{ type: 'Exact', name: 'version', value: 'new' }],
        queryParams: [{ type: 'RegularExpression', name: 'q', value: 'x.*' }],
      }),
    ),
    'path matches /a+, method is GET, header version is new, query q matches x.*',
  );
  t.equal(matchText(match({ path: { type: 'Exact', value: '/' } })), 'path is /');
  const header = { type: 'Exact', name: 'version', value: 'new' };
  const call = { type: 'Exact', service: 'shop.Cart', method: 'Get' };
  t.equal(
    matchText({ order: 0, method: call, headers: [header] }),
    'service is shop.Cart, method is Get, header version is new',
  );
  const pattern = { type: 'RegularExpression', service: null, method: 'Get.*' };
  t.equal(matchText({ order: 0, method: pattern, headers: [] }), 'method matches Get.*');
  t.equal(matchText({ order: 0, method: null, headers: [] }), 'every request');
  t.end();
});

t.test('filters, timeouts and retries', (t) => {
  const path = { type: 'ReplacePrefixMatch', replacePrefixMatch: '/v2' };
  const filters: [ConfigFilter, string][] = [
    [
      {
        type: 'RequestHeaderModifier',
        requestHeaderModifier: { set: [{ name: 'A', value: '1' }], add: [{ name: 'B', value: '2' }], remove: ['c'] },
      },
      'request: set A: 1, add B: 2, remove c',
    ],
    [{ type: 'URLRewrite', urlRewrite: { hostname: 'h', path } }, 'rewrite: host becomes h, prefix becomes /v2'],
    [
      {
        type: 'RequestRedirect',
        requestRedirect: { scheme: 'https', hostname: null, port: 8443, path: null, statusCode: 308 },
      },
      'redirect 308: scheme https, port 8443',
    ],
    [
      {
        type: 'RequestMirror',
        requestMirror: { backendRef: { namespace: 'a', name: 'b', port: 80 }, numerator: 1, denominator: 5 },
      },
      'mirror 20% to a/b:80',
    ],
    [{ type: 'CORS', cors: { allowOrigins: ['https://a', 'https://b'] } }, 'CORS for https://a, https://b'],
    [{ type: 'ExtensionRef', extensionRef: {} }, 'ExtensionRef: not carried by this version'],
  ];
  for (const [filter, text] of filters) t.equal(filterText(filter), text);
  t.same(policyTexts({ timeouts: { requestMs: 0, backendRequestMs: null }, retry: null }), []);
  t.same(
    policyTexts({
      timeouts: { requestMs: 2_000, backendRequestMs: 500 },
      retry: { attempts: 2, codes: [502, 503], backoffMs: 50 },
    }),
    ['timeout 2s', 'timeout 500ms each attempt', '2 retries on 502, 503, backoff 50ms'],
  );
  const timeouts = { requestMs: null, backendRequestMs: null };
  t.same(policyTexts({ timeouts, retry: { attempts: 0, codes: [503], backoffMs: null } }), ['no retries']);
  t.end();
});

t.test('limits of a request', (t) => {
  t.same(limitTexts({ policy: null, callTimeoutMs: null }), []);
  t.same(limitTexts({ policy: null, callTimeoutMs: 1_500 }), ['Timeout of the call 1.5s, by grpc-timeout']);
  t.same(limitTexts({ policy: null, callTimeoutMs: 0 }), ['Timeout of the call 0ms, by grpc-timeout']);
  const retry = { attempts: 2, codes: [503], backoffMs: 25 };
  t.same(limitTexts({ policy: { requestTimeoutMs: 2_000, attemptTimeoutMs: 500, retry }, callTimeoutMs: null }), [
    'Request timeout 2s',
    'Attempt timeout 500ms',
    'Up to 2 more tries on failed connections and on 503, after 25ms or more',
  ]);
  const late = {
    policy: { requestTimeoutMs: 0, attemptTimeoutMs: 0, retry: { ...retry, codes: [503, 504] } },
    callTimeoutMs: null,
  };
  t.same(limitTexts(late), [
    'Up to 2 more tries on failed connections and on 503, 504, timeouts of an attempt included, after 25ms or more',
  ]);
  t.end();
});

t.test('weights, Services and reasons', (t) => {
  t.same(weightShares([{ weight: 90 }, { weight: 10 }, { weight: 0 }]), [0.9, 0.1, 0]);
  t.same(weightShares([{ weight: 0 }]), [0]);
  t.equal(serviceName({ namespace: 'shop', name: 'web', port: 8080 }), 'web.shop:8080');
  t.equal(serviceName({ namespace: 'shop', name: 'web', port: 0 }), 'web.shop:80');
  t.same(Object.keys(PASSTHROUGH_TEXTS).sort(), [...CONNECTION_REASONS].sort());
  t.end();
});
