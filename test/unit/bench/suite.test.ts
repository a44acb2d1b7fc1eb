/** The parts of `npm run bench` that measure nothing: the matrix, how long it takes, ratios, tables, plots, configurations. */
import t from 'tap';
import { choicesOf } from '../../../bench/flags.ts';
import { ALL_CELLS, CELLS, chosen, mebibytes, SETTINGS } from '../../../bench/suite/cells.ts';
import { configurations } from '../../../bench/suite/configurations.ts';
import { allEntrants } from '../../../bench/suite/entrants.ts';
import { ratios, spread } from '../../../bench/suite/results.ts';
import { FULL, QUICK, totalSeconds } from '../../../bench/suite/schedule.ts';
import { barPanels, escapeXml } from '../../../bench/suite/svg.ts';
import { figure } from '../../../bench/suite/tables.ts';

const entrants = allEntrants('envoy');

t.test('every cell is named once, and sideroute, Envoy and the floor are in each', (t) => {
  t.equal(new Set(CELLS.map(({ key }) => key)).size, CELLS.length);
  for (const cell of CELLS) {
    const taking = entrants.filter((entrant) => entrant.takes(cell)).map(({ key }) => key);
    for (const key of ['native', 'haproxy', 'envoy', 'floor']) t.ok(taking.includes(key), `${cell.key}: ${key}`);
    t.equal(taking.includes('nghttpx'), cell.setting === 'h2c', `${cell.key}: nghttpx`);
    if (cell.unit === 'MiB') t.ok(mebibytes(cell) > 0, `${cell.key} has bytes`);
  }
  t.end();
});

t.test('cells are chosen by their keys, and so is what is measured beside them', (t) => {
  t.same(chosen(null), { cells: CELLS, beside: ['memory', 'start'] });
  const { cells, beside } = chosen(['start', 'close', 'get-1']);
  t.same(
    cells.map(({ key }) => key),
    ['get-1', 'close'],
  );
  t.same(beside, ['start']);
  t.same(choicesOf(ALL_CELLS)('start,get-1'), ['start', 'get-1']);
  t.throws(() => choicesOf(ALL_CELLS)('start,get-2'), /^There is no get-2; there are get-1, /);
  t.end();
});

t.test('a quick run is reckoned to take less than three minutes, a full one less than twelve', (t) => {
  const all = { cells: CELLS, beside: ['memory', 'start'] } as const;
  t.ok(totalSeconds(QUICK, all, entrants) < 180, `${totalSeconds(QUICK, all, entrants)} s`);
  t.ok(totalSeconds(FULL, all, entrants) < 720, `${totalSeconds(FULL, all, entrants)} s`);
  t.end();
});

t.test('ratios are taken pair by pair', (t) => {
  t.same(ratios([1, 4, 3], [2, 4, 1]), [0.5, 1, 3]);
  t.same(spread([3, 0.5, 1]), { median: 1, low: 0.5, high: 3 });
  t.same(spread([2, 1]), { median: 1.5, low: 1, high: 2 });
  t.end();
});

t.test('figures have the digits that mean something', (t) => {
  t.same([9.64, 99.94, 99.96, 12_345.6, -3.21, 0].map(figure), ['9.6', '99.9', '100', '12,346', '-3.2', '0.0']);
  t.end();
});

t.test('bars are as long as their figures, and text is escaped', (t) => {
  t.equal(escapeXml('a < b & "c"'), 'a &lt; b &amp; &quot;c&quot;');
  const bar = (label: string, value: number) => ({
    label,
    color: '#123',
    value,
    low: value,
    high: value,
    text: String(value),
  });
  const svg = barPanels('A & B', '', [{ title: 'one', bars: [bar('x', 10), bar('y', 5), bar('below', -1)] }]);
  const widths = [...svg.matchAll(/<rect x="[\d.]+" y="\d+" width="([\d.]+)"/g)].map(([, width]) => Number(width));
  t.equal(widths.length, 3);
  t.equal(widths[1], widths[0]! / 2);
  t.equal(widths[2], 0, 'less than nothing is no bar');
  t.ok(svg.includes('>A &amp; B<'));
  t.end();
});

t.test('the configuration of everybody in every setting is shown, without what is of one machine', (t) => {
  const text = configurations(allEntrants('/some/where/envoy'), '/some/where/envoy');
  for (const { name, takes } of entrants)
    for (const [key, { title }] of Object.entries(SETTINGS))
      t.equal(
        text.includes(`### ${name}: ${title}\n`),
        CELLS.some((cell) => cell.setting === key && takes(cell)),
        `${name}: ${title}`,
      );
  t.notMatch(text, '/some/where');
  t.notMatch(text, process.execPath);
  t.match(text, '\nbench/native/build/floor --to ');
  t.end();
});
