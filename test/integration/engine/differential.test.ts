/**
 * Two engines, one answer: random requests, plans, responses and local replies through `native` and `uws` reach the backend
 * and the client alike. Within what both carry, and normalised as the table of cases is.
 */
import fc from 'fast-check';
import t, { type Test } from 'tap';

import type { Decision, FieldLine, ForwardPlan, PathRewrite } from '../../../src/routing/decision.ts';
import {
  forwardTo,
  normalFields,
  RecordingHost,
  SERIES,
  type EngineFront,
  type MakeEngine,
} from '../../support/engine-cases.ts';
import { nativeFront } from '../../support/native-front.ts';
import { uwsFront } from '../../support/uws-front.ts';
import { withoutUws } from '../../support/uws-loads.ts';
import { eventually } from '../../support/eventually.ts';
import { WireBackend, WireClient, type Message } from '../../support/wire.ts';

/** SIDEROUTE_FULL=1: the full size. */
const RUNS = process.env['SIDEROUTE_FULL'] === '1' ? 20_000 : 1_000;
t.setTimeout(RUNS > 1_000 ? 1_200_000 : 180_000);

interface Exchange {
  readonly method: string;
  readonly segments: readonly string[];
  readonly query: string | null;
  readonly host: string;
  readonly fields: readonly FieldLine[];
  readonly body: string | null;
  readonly decision: 'forward' | 'local' | 'local-204';
  readonly planned: boolean;
  readonly requestRemove: readonly string[];
  readonly requestAppend: readonly FieldLine[];
  readonly responseRemove: readonly string[];
  readonly responseAppend: readonly FieldLine[];
  readonly newHost: string | null;
  readonly rewrite: { readonly kind: 'none' | 'full' | 'prefix'; readonly segments: number; readonly text: string };
  readonly extra: readonly FieldLine[] | null;
  readonly status: number;
  readonly answerFields: readonly FieldLine[];
  readonly answer: string;
  readonly chunked: boolean;
}

/** Few, so that edits meet fields; `X_A` equals no other. */
const NAMES = ['X-A', 'x-a', 'X-a', 'X-B', 'x-b', 'X_A', 'Cookie', 'Set-Cookie', 'Accept', 'Server', 'Via', 'X-Ab'];
const name = fc.constantFrom(...NAMES);
/** Bytes of 0x80 and more inside only: uWS loses them at the edges of a value. */
const value = fc.stringMatching(/^(?:[!-~](?:[ -~\xa1-\xff]{0,12}[!-~])?)?$/);
/** Of a request: UTF-8 only, because uWS decodes what it does not give as the first field of a name. */
const requestValue = fc.stringMatching(/^(?:[!-~](?:[ -~]|\xc3\xa9){0,12}[!-~])?$/);
const lines = fc.array(fc.record({ name, value }), { maxLength: 6 });
const requestLines = fc.array(fc.record({ name, value: requestValue }), { maxLength: 6 });
const removed = fc.uniqueArray(
  name.map((one) => one.toLowerCase()),
  { maxLength: 4 },
);
const segment = fc.constantFrom('a', 'b', 'foo', '', '.', '..', '%2e', '%2F', 'caf\xc3\xa9', '~;=,', 'x:y@z');
const body = fc.stringMatching(/^[ -~]{0,40}$/);

const exchange: fc.Arbitrary<Exchange> = fc.record({
  method: fc.constantFrom('GET', 'HEAD', 'POST', 'OPTIONS', 'DELETE', 'puRge'),
  segments: fc.array(segment, { minLength: 1, maxLength: 5 }),
  query: fc.option(fc.constantFrom('', 'a=b', '?', '/a', 'x=%20&y=')),
  host: fc.constantFrom('svc.ns', 'svc.ns:80', '[::1]:8080', ''),
  fields: requestLines,
  body: fc.option(body),
  decision: fc.constantFrom('forward', 'forward', 'forward', 'local', 'local-204'),
  planned: fc.boolean(),
  requestRemove: removed,
  requestAppend: lines,
  responseRemove: removed,
  responseAppend: lines,
  newHost: fc.option(fc.constantFrom('other.example', 'a:1')),
  rewrite: fc.record({
    kind: fc.constantFrom('none', 'full', 'prefix'),
    segments: fc.nat(5),
    text: fc.constantFrom('', '/r', '/r/s', '/%2e'),
  }),
  extra: fc.option(lines),
  status: fc.constantFrom(200, 201, 204, 304, 404, 500),
  answerFields: lines,
  answer: body,
  chunked: fc.boolean(),
});

function pathOf({ segments }: Exchange): string {
  return `/${segments.join('/')}`;
}

/** As compiled: a whole number of segments, and no `/` at the end of a replacement. */
function rewriteOf(one: Exchange): PathRewrite | null {
  const { kind, segments, text } = one.rewrite;
  if (kind === 'none') return null;
  if (kind === 'full') return { kind, path: text === '' ? '/' : text };
  const covered = one.segments.slice(0, segments);
  return { kind, length: covered.reduce((sum, part) => sum + part.length + 1, 0), replacement: text };
}

function decisionOf(one: Exchange, port: number): Decision {
  if (one.decision !== 'forward') {
    const status = one.decision === 'local' ? 302 : 204;
    return { kind: 'local', status, reason: 'redirect', series: SERIES, fields: one.extra };
  }
  const plan: ForwardPlan = {
    request: { remove: one.requestRemove, append: one.requestAppend },
    response: { remove: one.responseRemove, append: one.responseAppend },
    host: one.newHost,
    path: rewriteOf(one),
  };
  return { ...forwardTo(port), plan: one.planned ? plan : null, responseFields: one.extra };
}

function text(fields: readonly FieldLine[]): string {
  return fields.map((field) => `${field.name}: ${field.value}\r\n`).join('');
}

function requestText(one: Exchange): string {
  const target = one.query === null ? pathOf(one) : `${pathOf(one)}?${one.query}`;
  const length = one.body === null ? '' : `Content-Length: ${one.body.length}\r\n`;
  return `${one.method} ${target} HTTP/1.1\r\nHost: ${one.host}\r\n${text(one.fields)}${length}\r\n${one.body ?? ''}`;
}

function responseText(one: Exchange): string {
  const head = `HTTP/1.1 ${one.status} Status  of it\r\n${text(one.answerFields)}`;
  const length = `Content-Length: ${one.answer.length}\r\n\r\n`;
  if (one.status === 204) return `${head}\r\n`;
  // Only one of the engines keeps what these announce in chunks.
  if (one.status === 304 || one.method === 'HEAD') return head + length;
  // The end of an empty body is known at once, and uws says so.
  if (!one.chunked || one.answer === '') return head + length + one.answer;
  return `${head}Transfer-Encoding: chunked\r\n\r\n${one.answer.length.toString(16)}\r\n${one.answer}\r\n0\r\n\r\n`;
}

interface Side {
  readonly front: EngineFront;
  readonly host: RecordingHost;
  readonly backend: WireBackend;
}

async function startSide(t: Test, makeEngine: MakeEngine): Promise<Side> {
  const backend = await WireBackend.listen(() => undefined);
  t.teardown(() => backend.close());
  const host = new RecordingHost(() => forwardTo(backend.port));
  const front = await makeEngine(host, { address: '127.0.0.1', port: backend.port });
  t.teardown(() => front.close());
  return { front, host, backend };
}

function shown(message: Message) {
  return {
    startLine: message.startLine,
    fields: normalFields(message),
    body: message.body.toString('latin1'),
  };
}

/** Everything that anybody saw of the exchange. */
async function run({ front, host, backend }: Side, one: Exchange): Promise<object> {
  host.answer = () => decisionOf(one, backend.port);
  host.outcomes.length = 0;
  backend.requests.length = 0;
  backend.respond = (_request, socket) => socket.write(Buffer.from(responseText(one), 'latin1'));
  const client = await WireClient.connect(front.port);
  try {
    client.send(requestText(one));
    const response = await client.response({ head: one.method === 'HEAD' });
    await eventually('the outcome', () => host.outcomes.length === 1);
    const { status, reason, series } = host.outcomes[0]!;
    return {
      client: shown(response),
      upstream: backend.requests.map(shown),
      outcome: { status, reason, series },
      rest: client.text,
    };
  } finally {
    client.socket.destroy();
  }
}

t.test('what one engine makes of a request and a response, the other one does', { skip: withoutUws }, async (t) => {
  const native = await startSide(t, nativeFront());
  const uws = await startSide(t, uwsFront());
  const seen = { forward: 0, local: 0, 'local-204': 0, planned: 0, edited: 0 };
  await fc.assert(
    fc.asyncProperty(exchange, async (one) => {
      const expected = await run(native, one);
      const actual = await run(uws, one);
      seen[one.decision]++;
      if (one.planned && one.decision === 'forward') {
        seen.planned++;
        if (one.fields.some((field) => one.requestRemove.includes(field.name.toLowerCase()))) seen.edited++;
      }
      if (!t.strictSame(actual, expected, JSON.stringify(one))) throw new Error('the engines differ');
    }),
    { numRuns: RUNS, seed: 20_251, endOnFailure: true },
  );
  for (const [kind, count] of Object.entries(seen)) t.ok(count > RUNS / 20, `${count} of kind ${kind}`);
});
