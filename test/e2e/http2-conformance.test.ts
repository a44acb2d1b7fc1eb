/**
 * Calls of gRPC, and the cases of the other conformance tests once more, with clients that speak HTTP/2: the same rules hold for their requests, which reach the
 * backends in HTTP/2 as well.
 */
import t from 'tap';
import { FILTER_CASES, REFUSED_FILTER_CASES } from './conformance/filter-cases.ts';
import { GRPC_CASES } from './conformance/grpc-cases.ts';
import { MATCHING_CASES } from './conformance/matching-cases.ts';
import { Mesh, runCases } from './conformance/mesh.ts';
import { RESILIENCE_CASES } from './conformance/resilience-cases.ts';

t.setTimeout(300_000);
const mesh = await Mesh.start(t, ['mesh', 'consumer'], 'HTTP/2.0');
const routing = [...MATCHING_CASES, ...GRPC_CASES, ...FILTER_CASES, ...REFUSED_FILTER_CASES];
await runCases(t, mesh, [...routing, ...RESILIENCE_CASES]);
