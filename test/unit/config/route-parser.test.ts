import t from 'tap';
import type { Test } from 'tap';
import { parseRoutes, parseRoutesBesides } from '../../../src/config/route-parser.ts';
import type { ParsedFile } from '../../../src/gateway-api/types.ts';
import { Slicer } from '../../../src/slices.ts';
import { largeRouteFiles, type LargeRoutes } from '../../support/large-routes.ts';

const shape: LargeRoutes = { routes: 40, rulesPerRoute: 16, services: 5, format: 'documents', files: 1 };

function fileText(format: LargeRoutes['format']): string {
  return [...largeRouteFiles({ ...shape, format }).values()][0]!;
}

/** The file, and how often the event loop turned before it was there. */
async function parseBesides(t: Test, text: string, sliceMs: number): Promise<{ parsed: ParsedFile; turns: number }> {
  let turns = 0;
  let ticking = true;
  const tick = (): void => {
    turns++;
    if (ticking) setImmediate(tick);
  };
  t.teardown(() => (ticking = false));
  setImmediate(tick);
  const parsed = await parseRoutesBesides(
    'a.yaml',
    text,
    'shop',
    new Slicer({ sliceMs }),
    new AbortController().signal,
  );
  ticking = false;
  return { parsed, turns };
}

for (const [name, text] of Object.entries({
  documents: fileText('documents'),
  'a list': fileText('list'),
  JSON: fileText('json'),
  'JSON with a comment': `# routes\n${fileText('json')}`,
  'a list with a fault at its end': `${fileText('list')}  - [`,
  'a list with refused routes': fileText('list').replaceAll('/item1', 'item1'),
  'a list with text on several lines': fileText('list').replace(
    'metadata:',
    'metadata:\n    labels: {note: "a\n      b"}',
  ),
})) {
  t.test(`${name}: what is parsed beside other work is what is parsed at once`, async (t) => {
    const expected = parseRoutes('a.yaml', text, 'shop');
    const { parsed, turns } = await parseBesides(t, text, 0);
    t.strictSame(parsed, expected);
    t.ok(turns > 20, `${turns} turns of the event loop`);
  });
}

t.test('a file parsed in a thread is given up with the signal', async (t) => {
  const stop = new AbortController();
  // A comment is no JSON, so that it takes the full parser.
  const text = `# routes\n${fileText('json')}`;
  const parsing = parseRoutesBesides('a.json', text, null, new Slicer(), stop.signal);
  setTimeout(() => stop.abort(new Error('closed')), 5);
  await t.rejects(parsing, { message: 'closed' });
});
