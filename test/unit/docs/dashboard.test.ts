/** The dashboard of deploy/ is one that Grafana knows, and docs/dashboard.md shows what its panels show. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { GrafanaSchema } from '../../support/grafana-schema.ts';
import { DEPLOY, ROOT } from '../../support/manifests.ts';
import { temporaryDirectory } from '../../support/sidecar.ts';

const text = readFileSync(join(DEPLOY, 'grafana', 'sideroute.json'), 'utf8');

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly description?: string;
  readonly datasource?: { readonly uid: string };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly refId: string; readonly expr: string; readonly datasource: { uid: string } }[];
}

const { panels, templating } = JSON.parse(text) as {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string }[] };
};

/** Each occurs in the file; what it becomes is what Grafana would not show, or not as meant. */
const FAULTS: readonly (readonly [title: string, from: string, to: string, complaint: RegExp])[] = [
  ['a panel of an unknown kind', '"type": "timeseries"', '"type": "timeserie"', /timeserie/],
  ['a field of a panel', '"description": "Replies', '"describtion": "Replies', /describtion/],
  ['a field of an option', '"graphMode": "none"', '"graphMod": "none"', /graphMod/],
  ['a value of an option', '"graphMode": "none"', '"graphMode": "some"', /some/],
  ['a way to stack', '"mode": "normal"', '"mode": "stacked"', /stacked/],
  ['a field of a kind of panel', '"lineWidth": 1', '"linewidth": 1', /linewidth/],
  ['a unit', '"unit": "reqps"', '"unit": "rps"', /rps/],
  ['a reducer', '"calcs": ["mean", "lastNotNull"]', '"calcs": ["average"]', /average/],
  ['a number in quotes', '"w": 4', '"w": "4"', /string.*number/],
  ['a number that is no choice', '"graphTooltip": 1', '"graphTooltip": 7', /7/],
  ['a query without its expression', '"expr":', '"expression":', /expression/],
  ['what a row needs', '"collapsed": false,', '', /collapsed/],
];

t.test('it keeps to the model that Grafana publishes', async (t) => {
  t.same(new GrafanaSchema().errors(text), []);
});

t.test('a fault is found where it is', async (t) => {
  const schema = new GrafanaSchema();
  for (const [title, from, to, complaint] of FAULTS) {
    const at = text.indexOf(from);
    t.not(at, -1, `${from} is there to be replaced`);
    const line = text.slice(0, at).split('\n').length;
    const errors = schema.errors(text.replace(from, to));
    t.match(errors.join('\n'), complaint, title);
    const near = errors.some((error) => Math.abs(Number(/^line (\d+):/.exec(error)?.[1]) - line) <= 60);
    t.ok(near, `${title}: near line ${line}: ${errors.join('; ').slice(0, 200)}`);
  }
});

t.test('every panel says what it shows', async (t) => {
  for (const { title, description } of panels.filter(({ type }) => type !== 'row')) t.match(description, /\S/, title);
});

t.test('panels have numbers of their own, and do not lie on each other', async (t) => {
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length, 'numbers');
  t.equal(new Set(panels.map(({ title }) => title)).size, panels.length, 'titles');
  const cells = new Map<string, string>();
  for (const { title, gridPos } of panels) {
    t.ok(gridPos.x >= 0 && gridPos.x + gridPos.w <= 24, `${title} is within the 24 columns`);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        const other = cells.get(`${x} ${y}`);
        if (other !== undefined) t.fail(`${title} lies on ${other}`);
        cells.set(`${x} ${y}`, title);
      }
    }
  }
});

t.test('every query asks the data source that is chosen, and uses variables that are there', async (t) => {
  const names = [...templating.list.map(({ name }) => name), '__rate_interval'];
  for (const { title, datasource, targets = [] } of panels.filter(({ type }) => type !== 'row')) {
    t.equal(datasource?.uid, '${datasource}', title);
    t.ok(targets.length > 0, `${title} asks something`);
    t.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length, `${title}: names of queries`);
    for (const { expr, datasource: own } of targets) {
      t.equal(own.uid, '${datasource}', title);
      const unknown = [...expr.matchAll(/\$\{?(\w+)/g)]
        .map(([, name]) => name!)
        .filter((name) => !names.includes(name));
      t.same(unknown, [], title);
    }
  }
});

t.test('every panel has a drawing, and the script that is named draws the same again', async (t) => {
  const { path, remove } = temporaryDirectory();
  t.teardown(remove);
  const script = spawnSync(process.execPath, [join(ROOT, 'dist', 'scripts', 'draw-dashboard.js'), path], {
    encoding: 'utf8',
  });
  t.equal(script.status, 0, script.stderr);
  const docs = join(ROOT, 'docs');
  const page = readFileSync(join(docs, 'dashboard.md'), 'utf8');
  t.equal(readFileSync(join(path, 'dashboard.md'), 'utf8'), page, 'node dist/scripts/draw-dashboard.js');
  const drawings = readdirSync(join(path, 'dashboard')).sort();
  t.equal(drawings.length, panels.filter(({ type }) => type !== 'row').length);
  const there = readdirSync(join(docs, 'dashboard')).filter((name) => name.endsWith('.svg'));
  t.same(there.sort(), drawings);
  for (const name of drawings) {
    const drawing = readFileSync(join(path, 'dashboard', name), 'utf8');
    t.match(drawing, /^<svg [^]*<\/svg>\n$/, name);
    t.equal(
      readFileSync(join(docs, 'dashboard', name), 'utf8'),
      drawing,
      `${name}: node dist/scripts/draw-dashboard.js`,
    );
    t.ok(page.includes(`](dashboard/${name})`), `${name} is shown`);
  }
});
