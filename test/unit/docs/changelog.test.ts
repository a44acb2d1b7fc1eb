/** The changelog keeps its form: in a release each kind of change has one heading, and its entries are one list. */
import t from 'tap';
import { read } from './markdown.ts';

const KINDS = ['Added', 'Changed', 'Deprecated', 'Removed', 'Fixed', 'Security'];

/** Text behind each heading of a level, up to the next one of that level. */
function parts(text: string, level: '##' | '###'): { heading: string; text: string }[] {
  return text
    .split(new RegExp(`^${level} `, 'm'))
    .slice(1)
    .map((part) => ({ heading: part.slice(0, part.indexOf('\n')), text: part.slice(part.indexOf('\n')).trim() }));
}

t.test('every kind of change stands once in a release, in the usual order, with entries without a gap', async (t) => {
  const releases = parts(read('CHANGELOG.md'), '##');
  t.ok(releases.length > 0);
  for (const { heading, text } of releases) {
    const kinds = parts(text, '###');
    const found = kinds.map((kind) => kind.heading);
    t.same(
      found,
      KINDS.filter((kind) => found.includes(kind)),
      heading,
    );
    for (const kind of kinds) {
      t.match(kind.text, /^- /, `${heading}: ${kind.heading}`);
      t.notMatch(kind.text, /\n\s*\n/, `${heading}: ${kind.heading} is one list`);
    }
  }
});
