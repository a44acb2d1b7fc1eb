import t from 'tap';
import { FieldEditor, editLines, NO_EDITS } from '../../../src/routing/filters/field-edits.ts';
import { backend, match, pathPrefix } from '../../support/routes.ts';
import { lines, OneRule, requestHeaders, responseHeaders, urlRewrite } from '../../support/filters.ts';

t.test('SPEC F5: set replaces, add appends a line, remove deletes, without regard to case', async (t) => {
  const { plan } = new OneRule({
    filters: [
      requestHeaders({ set: { 'X-Env': 'test' }, add: { 'X-Trace': 'a, b' }, remove: ['x-internal'] }),
      responseHeaders({ set: { 'Cache-Control': 'no-store' }, add: { Via: 'sideroute' }, remove: ['server'] }),
    ],
  }).forward();
  t.same(plan, {
    request: {
      remove: ['x-env', 'x-internal'],
      append: [
        { name: 'X-Env', value: 'test' },
        { name: 'X-Trace', value: 'a, b' },
      ],
    },
    response: {
      remove: ['cache-control', 'server'],
      append: [
        { name: 'Cache-Control', value: 'no-store' },
        { name: 'Via', value: 'sideroute' },
      ],
    },
    host: null,
    path: null,
  });
});

t.test('SPEC F5: any sequence of set, add and remove folds into one removal and one list of lines', async (t) => {
  type Step = readonly ['set' | 'add', string, string] | readonly ['remove', string];
  const cases: readonly (readonly [string, readonly Step[], readonly string[], readonly string[]])[] = [
    ['nothing', [], [], []],
    [
      'set over set',
      [
        ['set', 'A', '1'],
        ['set', 'a', '2'],
      ],
      ['a'],
      ['a: 2'],
    ],
    [
      'set over add',
      [
        ['add', 'A', '1'],
        ['set', 'a', '2'],
      ],
      ['a'],
      ['a: 2'],
    ],
    [
      'add to add',
      [
        ['add', 'A', '1'],
        ['add', 'A', '2'],
      ],
      [],
      ['A: 1', 'A: 2'],
    ],
    [
      'add to set',
      [
        ['set', 'A', '1'],
        ['add', 'A', '2'],
      ],
      ['a'],
      ['A: 1', 'A: 2'],
    ],
    [
      'remove after add',
      [
        ['add', 'A', '1'],
        ['add', 'B', '1'],
        ['remove', 'a'],
      ],
      ['a'],
      ['B: 1'],
    ],
    [
      'add after remove',
      [
        ['remove', 'a'],
        ['add', 'A', '1'],
      ],
      ['a'],
      ['A: 1'],
    ],
  ];
  for (const [title, steps, remove, append] of cases) {
    const editor = new FieldEditor();
    for (const [action, name, value = ''] of steps) {
      if (action === 'remove') editor.remove(name);
      else editor[action](name, value);
    }
    const edits = editor.build();
    t.same([edits.remove, lines(edits.append)], [remove, append], title);
    const head = ['A: old', 'a: older', 'C: 1'].map((line) => ({ name: line.slice(0, 1), value: line.slice(3) }));
    const kept = remove.includes('a') ? ['C: 1'] : ['A: old', 'a: older', 'C: 1'];
    t.same(lines(editLines(head, edits)), [...kept, ...append], `${title}: the lines that result`);
  }
  t.equal(new FieldEditor().build(), NO_EDITS);
});

t.test('SPEC F2, F17: filters of the rule come first in their order, those of the chosen backend after', async (t) => {
  const rules = new OneRule({
    filters: [requestHeaders({ set: { A: 'rule' }, add: { B: 'rule' } }), responseHeaders({ add: { R: 'rule' } })],
    backendRefs: [
      backend('v/v1:80', { filters: [requestHeaders({ set: { a: 'v1' }, add: { B: 'v1' } })] }),
      backend('v/v2:80', { filters: [requestHeaders({ remove: ['b'] }), responseHeaders({ remove: ['r'] })] }),
    ],
  });
  const plans = new Map([rules.forward(), rules.forward()].map(({ backend: { name }, plan }) => [name, plan!]));
  t.same(plans.get('v1'), {
    request: {
      remove: ['a'],
      append: [
        { name: 'B', value: 'rule' },
        { name: 'a', value: 'v1' },
        { name: 'B', value: 'v1' },
      ],
    },
    response: { remove: [], append: [{ name: 'R', value: 'rule' }] },
    host: null,
    path: null,
  });
  t.same(plans.get('v2'), {
    request: { remove: ['a', 'b'], append: [{ name: 'A', value: 'rule' }] },
    response: { remove: ['r'], append: [] },
    host: null,
    path: null,
  });
});

t.test('SPEC F5, F8: to set Host is to rewrite the host name, and the later of the two wins', async (t) => {
  const setHost = requestHeaders({ set: { host: 'set.example:8080', 'X-A': '1' } });
  const rewrite = urlRewrite({ hostname: 'rewrite.example' });
  const hostOf = (...filters: Parameters<typeof ruleWith>) => ruleWith(...filters).forward().plan!.host;
  t.equal(hostOf([setHost]), 'set.example:8080');
  t.equal(hostOf([setHost, rewrite]), 'rewrite.example');
  t.equal(hostOf([rewrite, setHost]), 'set.example:8080');
  t.equal(hostOf([rewrite], [setHost]), 'set.example:8080');
  t.equal(hostOf([setHost], [rewrite]), 'rewrite.example');
  t.same(ruleWith([setHost]).forward().plan!.request, { remove: ['x-a'], append: [{ name: 'X-A', value: '1' }] });
});

function ruleWith(
  filters: readonly ReturnType<typeof requestHeaders>[],
  backendFilters: readonly ReturnType<typeof requestHeaders>[] = [],
): OneRule {
  return new OneRule({ filters, backendRefs: [backend('v/v1:80', { filters: backendFilters })] });
}

t.test('values are the bytes of their UTF-8 form', async (t) => {
  const { plan } = ruleWith([requestHeaders({ set: { 'X-Name': 'é' } })]).forward();
  t.same(plan!.request.append, [{ name: 'X-Name', value: '\xc3\xa9' }]);
});

t.test('without filters there is no plan', async (t) => {
  t.equal(new OneRule({}).forward().plan, null);
  t.equal(ruleWith([requestHeaders({})]).forward().plan, null);
});

t.test('SPEC F5: replies made here are not edited', async (t) => {
  const local = new OneRule({ filters: [responseHeaders({ add: { A: '1' } })], backendRefs: [] }).local();
  t.match(local, { status: 500, reason: 'no_backend' });
  t.notOk(local.fields);
});

t.test('decisions with a plan are compiled: the same object for every request', async (t) => {
  const one = new OneRule({
    matches: [match({ path: pathPrefix('/a') })],
    filters: [requestHeaders({ add: { A: '1' } })],
  });
  t.equal(one.decide('/a'), one.decide('/a/b'));
});
