/** The view of taps: what it asks for, what it keeps of a stream, and what it shows of a request. */
import t from 'tap';
import { refusedParameter, TapLines, tapQuery, tapRow, tapSum, type TapRecord } from '../../../src/page/tap.ts';
import { matches } from '../../support/match.ts';

const NOTHING = { route: '', rule: '', code: '', path: '', header: '', sample: '' };

function record(more: Partial<TapRecord> = {}): TapRecord {
  return {
    ...{ time: '2026-03-02T09:14:07.512Z', method: 'GET', path: '/cart', host: 'cart', code: 200, grpc_status: null },
    ...{
      reason: null,
      fault: null,
      retries: 0,
      duration_ms: 1.26,
      route: 'shop/cart',
      rule: '0',
      backend: 'shop/v1:80',
    },
    ...more,
  };
}

t.test('the query has what is filled in, and a header for each line', (t) => {
  t.equal(tapQuery(NOTHING), '');
  const texts = { ...NOTHING, code: ' 5xx ', path: '/a&b', header: 'x-user: me\n\n  version \n' };
  t.equal(tapQuery(texts), 'code=5xx&path=%2Fa%26b&header=x-user%3A+me&header=version');
  t.end();
});

t.test('a refusal names its field', (t) => {
  t.equal(refusedParameter('code: got "5yy", expected a status'), 'code');
  t.equal(refusedParameter('there are 8 taps already: end one of them'), null);
  t.end();
});

t.test('lines are put together from pieces', (t) => {
  const lines = new TapLines();
  const text = `{"dropped":0}\n${JSON.stringify(record({ path: '/1' }))}\n${JSON.stringify(record({ path: '/2' }))}\n`;
  for (const char of `${text}{"dropped":3}\n`) lines.push(char);
  t.same([lines.records, lines.dropped, lines.end], [2, 3, null]);
  t.same(
    lines.take().map(({ path }) => path),
    ['/2', '/1'],
  );
  t.same(lines.take(), []);
  lines.push('{"dropped":2,"end":"limit","records":2,"total_dropped":5}\n');
  t.same([lines.records, lines.dropped, lines.end], [2, 5, 'limit']);
  t.end();
});

t.test('however much comes, no more is kept than is shown', (t) => {
  const lines = new TapLines();
  const piece = (from: number) =>
    Array.from({ length: 1_000 }, (_, i) => `${JSON.stringify(record({ path: `/${from + i}` }))}\n`).join('');
  for (let from = 0; from < 5_000; from += 1_000) lines.push(piece(from));
  t.equal(lines.records, 5_000);
  const taken = lines.take().map(({ path }) => path);
  t.same([taken.length, taken[0], taken[199]], [200, '/4999', '/4800']);
  t.throws(() => lines.push('x'.repeat(1_048_577)), /a line without an end/);
  t.end();
});

t.test('a row says what became of a request', (t) => {
  matches(t, tapRow(record()), {
    request: 'GET cart/cart',
    remarks: [],
    time: '09:14:07.512',
    code: '200',
    took: '1.3 ms',
  });
  const failed = tapRow(
    record({ code: 504, reason: 'timeout', retries: 1, headers: { 'x-user': 'me', accept: null } }),
  );
  matches(t, failed, { failed: true, remarks: ['timeout', '1 retry', 'x-user: me', 'accept: '] });
  const invalid = tapRow(record({ method: null, host: null, path: null, code: null, route: null, fault: 'bad-name' }));
  matches(t, invalid, { request: 'A request whose head is not valid', code: '–', route: '–', remarks: ['bad-name'] });
  t.equal(tapRow(record({ path: `/${'a'.repeat(2_000)}` })).request.length, 'GET '.length + 301);
  t.end();
});

t.test('the sum says what is not shown', (t) => {
  t.equal(tapSum({ records: 1, dropped: 0 }), '1 request');
  t.equal(
    tapSum({ records: 12_000, dropped: 7 }),
    '12,000 requests, of which the newest 200 are shown; 7 more were left out: sample a share',
  );
  t.end();
});
