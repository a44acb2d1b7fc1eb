/**
 * The official conformance tests of matching, precedence, attachment and backends, with Services as parents: real requests
 * through REDIRECT and the sidecar, and what the official tests leave unchecked. docs/conformance.md lists them.
 */
import t from 'tap';
import { MATCHING_CASES } from './conformance/matching-cases.ts';
import { Mesh, runCases } from './conformance/mesh.ts';

t.setTimeout(180_000);
await runCases(t, await Mesh.start(t, ['mesh', 'consumer']), MATCHING_CASES);
