/** Texts of route files: each once, and none that keeps its file in memory. */
import t from 'tap';
import { parseRouteFile } from '../../../src/gateway-api/parse.ts';
import { SharedTexts } from '../../../src/gateway-api/shared-texts.ts';
import { collect } from '../../support/collect.ts';

t.test('a text is what it was, whatever is in it', (t) => {
  const texts = new SharedTexts();
  for (const text of [
    '',
    'a',
    'shop',
    'my-server.devopssong',
    'ä'.repeat(20),
    '漢字'.repeat(20),
    '😀'.repeat(20),
    `half of ${'😀'.repeat(20)}`.slice(0, -1),
    'x'.repeat(5_000),
  ]) {
    t.equal(texts.of(text), text);
    t.equal(texts.of(text.slice(0, 1) + text.slice(1)), text);
  }
  for (let index = 0; index < 10_000; index++) {
    if (texts.of(`a name of its own, ${index}`) !== `a name of its own, ${index}`) t.fail(String(index));
  }
  t.end();
});

const MIB = 1024 * 1024;

const route = (index: number): string => `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: a-route-with-a-long-name-${index}
  namespace: a-namespace-with-a-long-name
spec:
  parentRefs:
  - group: ""
    kind: Service
    name: a-service-with-a-long-name
  rules:
  - matches:
    - path:
        value: /a/path/of/some/length/${index}
    backendRefs:
    - name: 'a-backend-with-a-long-name'
      port: 80
`;

t.test('what is read of a file does not keep its text', (t) => {
  const comment = `# ${'x'.repeat(77)}\n`.repeat((2 * MIB) / 80);
  const kept: unknown[] = [];
  const heldBytes = (): number => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  kept.push(parseRouteFile('first.yaml', route(0)).resources);
  const before = heldBytes();
  for (let index = 1; index <= 8; index++) {
    kept.push(parseRouteFile(`${index}.yaml`, comment + route(index)).resources);
  }
  const growth = (heldBytes() - before) / MIB;
  // V8 remembers what a regular expression was last asked about.
  t.ok(growth < 5, `${growth.toFixed(1)} MiB more for 8 files of 2 MiB`);
  t.equal(kept.length, 9);
  t.end();
});
