/** The official conformance tests of filters, with Services as parents; docs/conformance.md lists them. */
import t from 'tap';
import { FILTER_CASES, REFUSED_FILTER_CASES } from './conformance/filter-cases.ts';
import { Mesh, runCases } from './conformance/mesh.ts';

t.setTimeout(180_000);
await runCases(t, await Mesh.start(t), [...FILTER_CASES, ...REFUSED_FILTER_CASES]);
