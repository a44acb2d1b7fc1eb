/** Whatever the text is, parsing ends, in time, with a result that keeps its promises. */
import fc from 'fast-check';
import t from 'tap';
import { PROBLEM_CODES } from '../../../src/gateway-api/problem-codes.ts';
import type { ParsedFile } from '../../../src/gateway-api/types.ts';
import type { Tree } from '../../../src/gateway-api/tree.ts';
import { readTrees } from '../../../src/gateway-api/yaml-tree.ts';
import { finish } from '../../../src/slices.ts';
import { parse, routeFiles } from './fixtures.ts';

const texts = [...routeFiles('good-routes'), ...routeFiles('broken-routes')].map(({ text }) => text.slice(0, 4000));

function keepsPromises({ resources, problems, unparsable }: ParsedFile): void {
  for (const { code, message } of problems) {
    if (!(code in PROBLEM_CODES) || message === '') throw new Error(`problem ${code}: ${message}`);
  }
  const errors = problems.filter(({ severity }) => severity === 'error');
  if (unparsable && (resources.length > 0 || errors.length === 0)) throw new Error('unparsable, but not treated so');
  for (const resource of resources) {
    if (resource.kind === 'RefusedRoute' && errors.length === 0) throw new Error('refused without an error');
    if (resource.kind !== 'HTTPRoute') continue;
    if (resource.rules.length === 0) throw new Error('a route without rules');
    if (resource.rules.some(({ matches }) => matches.length === 0)) throw new Error('a rule without matches');
    if (resource.parentRefs.some(({ name }) => name === '')) throw new Error('a parent without name');
    const backends = resource.rules.flatMap(({ backendRefs }) => backendRefs);
    if (backends.some(({ name, kind, port }) => name === '' || (kind === 'Service' && port === null))) {
      throw new Error('a backend that is not complete');
    }
  }
}

t.test('any text', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => keepsPromises(parse(text))),
    {
      numRuns: 1000,
    },
  );
});

t.test('any text of the characters YAML is made of', async () => {
  const unit = fc.constantFrom(
    ...'{}[],:-?&*!|>\'"%@`#~<=+./\\0a \t\n'.split(''),
    '---',
    'kind',
    '<<',
    '\r\n',
    '- ',
    ': ',
  );
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 200 }), (text) => keepsPromises(parse(text))),
    { numRuns: 2000 },
  );
});

t.test('route files with a piece cut out, put in, doubled or replaced', async () => {
  const piece = fc.oneof(
    fc.string({ maxLength: 10 }),
    fc.constantFrom('\n', '  ', '- ', ': ', '*a', '&a ', '"', '{', '[', '\t', '1', 'null'),
  );
  const mutation = fc.record({ at: fc.nat(4000), length: fc.nat(60), piece, double: fc.boolean() });
  fc.assert(
    fc.property(fc.constantFrom(...texts), fc.array(mutation, { minLength: 1, maxLength: 4 }), (text, mutations) => {
      let mutated = text;
      for (const { at, length, piece, double } of mutations) {
        const start = at % (mutated.length + 1);
        const cut = mutated.slice(start, start + length);
        mutated = mutated.slice(0, start) + piece + (double ? cut + cut : '') + mutated.slice(start + length);
      }
      keepsPromises(parse(mutated));
    }),
    { numRuns: 1000 },
  );
});

t.test('routes with a value of any kind in any place', async () => {
  const base = JSON.stringify({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'a', namespace: 'b' },
    spec: {
      parentRefs: [{ group: '', kind: 'Service', name: 'c', port: 80 }],
      hostnames: ['h'],
      rules: [
        {
          name: 'r',
          matches: [{ path: { value: '/' }, headers: [{ name: 'a', value: 'b' }], method: 'GET' }],
          filters: [
            {
              type: 'RequestMirror',
              requestMirror: { backendRef: { name: 'm', port: 1 }, fraction: { numerator: 1 } },
            },
            { type: 'CORS', cors: { allowOrigins: ['*'], maxAge: 1 } },
            { type: 'URLRewrite', urlRewrite: { path: { type: 'ReplaceFullPath', replaceFullPath: '/' } } },
          ],
          backendRefs: [{ name: 'd', port: 80, weight: 1 }],
          timeouts: { request: '1s' },
          retry: { codes: [500] },
        },
      ],
    },
  });
  const places = [...base.matchAll(/(?<=[:[,])(?:"[^"]*"(?!:)|\d+|\{|\[)/g)].map(({ index }) => index);
  fc.assert(
    fc.property(fc.constantFrom(...places), fc.jsonValue({ maxDepth: 2 }), (place, value) => {
      let end = place + 1;
      if (base[place] === '"') end = base.indexOf('"', place + 1) + 1;
      else if (base[place] === '{' || base[place] === '[') end = closing(base, place) + 1;
      else while (/\d/.test(base[end]!)) end++;
      const { unparsable, problems } = parse(base.slice(0, place) + JSON.stringify(value) + base.slice(end));
      if (unparsable) throw new Error(problems[0]!.message);
    }),
    { numRuns: 1500 },
  );
});

/** Index of the bracket that closes the one at `start`; no text in `base` has brackets. */
function closing(text: string, start: number): number {
  let depth = 0;
  for (let index = start; ; index++) {
    if ('{['.includes(text[index]!)) depth++;
    if ('}]'.includes(text[index]!) && --depth === 0) return index;
  }
}

function plain(tree: Tree): unknown {
  if (tree.type === 'scalar') return tree.value;
  if (tree.type === 'list') return tree.items.map(plain);
  return Object.fromEntries([...tree.entries].map(([name, { value }]) => [name, plain(value)]));
}

t.test('JSON, with any indentation, is read as JSON is', async (t) => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), fc.constantFrom('', ' ', '\t', '    '), (value, indent) => {
      if (value === null || JSON.stringify(value).includes('__proto__')) return;
      const text = JSON.stringify(value, null, indent);
      const roots: Tree[] = [];
      const syntaxFaults = finish(
        readTrees(text, function* ({ root }) {
          roots.push(root);
          yield;
        }),
      );
      if (syntaxFaults.length > 0) throw new Error(`${text}: ${syntaxFaults[0]!.message}`);
      t.same(JSON.stringify(plain(roots[0]!)), JSON.stringify(value));
    }),
    { numRuns: 300 },
  );
});
