/** The official conformance tests of timeouts, retries and mirrors, with Services as parents; docs/conformance.md lists them. */
import t from 'tap';
import { RESILIENCE_CASES } from './conformance/resilience-cases.ts';
import { Mesh, runCases } from './conformance/mesh.ts';

t.setTimeout(180_000);
await runCases(t, await Mesh.start(t), RESILIENCE_CASES);
