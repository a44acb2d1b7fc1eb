/** Content types and timeouts of calls are read as the addon reads them: by the table that its tests have. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { packageRoot } from '../../../src/package-root.ts';
import { grpcTimeoutMs, isGrpcContentType } from '../../../src/routing/grpc-call.ts';

const table = readFileSync(new URL('native/test/grpc_cases.h', packageRoot()), 'utf8');

/** The rows `{"text"sv, value}`. */
const rows = [...table.matchAll(/\{"((?:[^"\\]|\\.)*)"sv, (true|false|-?[0-9]+)\}/g)].map(
  ([, text, value]) => [JSON.parse(`"${text!}"`) as string, value!] as const,
);
const contentTypes = rows.filter(([, value]) => !/[0-9]/.test(value));
const timeouts = rows.filter(([, value]) => /[0-9]/.test(value));

t.test('every row of the table is read', async (t) => {
  t.equal(rows.length, table.match(/"sv, /g)?.length);
  t.ok(contentTypes.length > 15);
  t.ok(timeouts.length > 30);
});

t.test('the content types of calls of gRPC, and those of other requests', async (t) => {
  for (const [value, isGrpc] of contentTypes) t.equal(isGrpcContentType(value), isGrpc === 'true', value);
  t.notOk(isGrpcContentType(null));
});

t.test('the units of grpc-timeout, rounded up, and what is no timeout', async (t) => {
  for (const [value, ms] of timeouts) t.equal(grpcTimeoutMs(value), ms === '-1' ? null : Number(ms), value);
  t.equal(grpcTimeoutMs(null), null);
});
