/**
 * Routes of gRPC, with calls as their clients send them: by HTTP/2. The echo pods know no gRPC; that real ones are understood is in
 * `grpc-interop.test.ts`.
 */
import type { Test } from 'tap';
import { served, type ConformanceCase, type Exchange, type Expected, type Send } from './case.ts';
import type { Mesh } from './mesh.ts';

const SERVICE = 'echo.v1.Echo';
const CALL = { 'Content-Type': 'application/grpc', TE: 'trailers' } as const;
const UNIMPLEMENTED = '12';

function call(method: string, headers: Send['headers'] = {}): Send {
  return { method: 'POST', target: `/${SERVICE}/${method}`, headers: { ...CALL, ...headers }, body: '' };
}

function calls(pod: string, method: string, headers?: Send['headers'], expect?: Expected): Exchange {
  return served(pod, call(method, headers), expect);
}

/** As a trailers-only response. */
function unimplemented(method: string, headers?: Send['headers']): Exchange {
  const fields = { 'content-type': 'application/grpc', 'grpc-status': UNIMPLEMENTED };
  return { send: call(method, headers), expect: { status: 200, reason: 'no_route', headers: fields } };
}

async function countCalls(t: Test, mesh: Mesh): Promise<void> {
  const { method, target } = call('Echo');
  const request = { method: method!, target: target!, headers: Object.entries({ Host: 'echo', ...CALL }) };
  const answers = await mesh.batch('echo:80', { requests: [request], times: 1_000, brief: true });
  const shares: Record<string, number> = {};
  for (const { status, body } of answers) shares[`${status} ${body}`] = (shares[`${status} ${body}`] ?? 0) + 1;
  t.same(shares, { '200 echo-v1': 700, '200 echo-v2': 300 }, 'the calls of one connection are shared by weight');
}

export const GRPC_CASES: readonly ConformanceCase[] = [
  {
    tests: ['GRPCExactMethodMatching'],
    title: 'SPEC G1, G2, E1: a method of a service is matched by its name, another one is UNIMPLEMENTED',
    routes: 'grpc-exact-method',
    requests: [
      calls('echo-v1', 'Echo'),
      calls('echo-v2', 'EchoTwo'),
      unimplemented('EchoThree'),
      unimplemented('echo'),
    ],
  },
  {
    tests: ['GRPCRouteHeaderMatching'],
    title: 'SPEC G1, G3, E1: calls are matched by their headers, the more of them the better',
    routes: 'grpc-header-matching',
    requests: [
      calls('echo-v1', 'Echo', { Version: 'one' }),
      calls('echo-v2', 'Echo', { Version: 'two' }),
      calls('echo-v1', 'Echo', { Version: 'two', Color: 'orange' }),
      calls('echo-v2', 'Echo', { Version: 'two', Color: 'blue' }),
      unimplemented('Echo', { Color: 'orange' }),
      unimplemented('Echo', { 'Some-Other-Header': 'one' }),
      calls('echo-v1', 'Echo', { Color: 'blue' }),
      calls('echo-v1', 'Echo', { Color: 'green' }),
      calls('echo-v2', 'Echo', { Color: 'red' }),
      calls('echo-v2', 'Echo', { Color: 'yellow' }),
      unimplemented('Echo', { Color: 'purple' }),
    ],
  },
  {
    tests: ['GRPCRouteNamedRule'],
    title: 'SPEC D6, G2: the name of a rule changes nothing about its calls',
    routes: 'grpc-named-rule',
    requests: [calls('echo-v1', 'Echo'), calls('echo-v2', 'EchoTwo')],
  },
  {
    tests: ['GRPCRouteRequestHeaderModifier', 'MeshGRPCRouteRequestHeaderModifier'],
    title: 'SPEC F5, G4: headers of calls are set, added and removed, whatever their case',
    routes: 'grpc-request-header-modifier',
    requests: [
      calls('echo-v1', 'Set', { Other: 'kept' }, { seen: { 'x-set': ['by-route'] } }),
      calls('echo-v1', 'Set', { Other: 'kept', 'X-Set': 'by-client' }, { seen: { 'x-set': ['by-route'] } }),
      calls('echo-v1', 'Add', { Other: 'kept' }, { seen: { 'x-add': ['by-route'] } }),
      calls('echo-v1', 'Add', { 'X-Add': 'by-client' }, { seen: { 'x-add': ['by-client', 'by-route'] } }),
      calls('echo-v1', 'Remove', { 'X-Remove': 'by-client' }, { seen: { 'x-remove': null } }),
      calls(
        'echo-v2',
        'Mixed',
        { 'X-Set-2': 'by-client', 'X-Add-2': 'by-client', 'X-Remove-2': 'by-client', Other: 'kept' },
        {
          seen: {
            ...{ 'x-set-1': ['set-1'], 'x-set-2': ['set-2'], 'x-add-1': ['add-1'] },
            ...{ 'x-add-2': ['by-client', 'add-2'], 'x-remove-2': null },
          },
        },
      ),
      calls(
        'echo-v2',
        'Mixed',
        { 'x-set-1': 'by-client', 'x-add-1': 'by-client', 'x-remove-1': 'by-client' },
        {
          seen: {
            ...{ 'x-set-1': ['set-1'], 'x-set-2': ['set-2'], 'x-add-1': ['by-client', 'add-1'] },
            ...{ 'x-add-2': ['add-2'], 'x-remove-1': null },
          },
        },
      ),
    ],
  },
  {
    tests: ['GRPCRouteWeight', 'MeshGRPCRouteWeight'],
    title: 'SPEC B2, G4: the calls of one connection are shared by weight, a weight of 0 gets none',
    routes: 'grpc-weight',
    requests: [],
    also: countCalls,
  },
];
