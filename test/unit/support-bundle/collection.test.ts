/** A bundle as files: names that every file system takes, bounds with reasons, the same bytes for the same things, an index of all. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { segment, tarGz } from '../../../src/support-bundle/archive.ts';
import { Collection } from '../../../src/support-bundle/collection.ts';

const HEAD = { madeAt: '2026-03-02T09:14:07.000Z', of: 'cart-1', client: { version: '1.2.3', commit: null } };
const TIME = new Date(HEAD.madeAt);

/** As tar(1) has it. */
function unpacked(t: Test, bytes: Buffer): string {
  const directory = t.testdir({});
  writeFileSync(join(directory, 'x.tgz'), bytes);
  const { status, stderr } = spawnSync('tar', ['xzf', 'x.tgz'], { cwd: directory, encoding: 'utf8' });
  t.equal(status, 0, stderr);
  return directory;
}

t.test('names from a cluster stay in their directory, apart from each other, and short', (t) => {
  t.equal(segment('cart-7d9c5b6f4-x2x9z'), 'cart-7d9c5b6f4-x2x9z');
  const odd = [
    '..',
    '.',
    '',
    '../../etc/passwd',
    'a/b',
    'a\\b',
    'a\nb',
    '\u001b[31m',
    '-rf',
    '.hidden',
    'ä',
    'x'.repeat(500),
    `${'x'.repeat(500)}y`,
  ];
  const made = odd.map(segment);
  for (const name of made) t.match(name, /^[A-Za-z0-9_][A-Za-z0-9._-]{0,79}$/);
  t.equal(new Set(made).size, odd.length, 'two names stay two');
  t.end();
});

t.test('tar reads it; the order of gathering is not seen', async (t) => {
  const fill = (names: readonly string[]): Collection => {
    const collection = new Collection();
    for (const name of names) collection.addText(name, `the file ${name}`, `${name}\n`);
    return collection;
  };
  const long = `${segment('p'.repeat(300))}/${segment('q'.repeat(300))}/${segment('r'.repeat(300))}.txt`;
  const names = ['b.txt', 'a/c.txt', long];
  const [one, other] = await Promise.all(
    [names, names.toReversed()].map((each) => tarGz('top', fill(each).files(HEAD), TIME)),
  );
  t.ok(one!.equals(other!), 'the same bytes');
  const directory = unpacked(t, one!);
  t.same(
    readdirSync(join(directory, 'top')).sort(),
    ['INDEX.txt', 'a', 'b.txt', 'index.json', long.split('/')[0]].sort(),
  );
  t.equal(readFileSync(join(directory, 'top', long), 'utf8'), `${long}\n`);
  const index = readFileSync(join(directory, 'top', 'INDEX.txt'), 'utf8');
  t.match(index, /^ {2}a\/c\.txt \(8 bytes\): the file a\/c\.txt$/m);
  t.match(index, /nothing: all of it is there/);
});

t.test('files and the whole have bounds, which the index tells', (t) => {
  const collection = new Collection({ fileBytes: 100, totalBytes: 150 });
  collection.addText('a.txt', 'the first', 'ä'.repeat(80));
  collection.addText('b.txt', 'the second', 'x'.repeat(80));
  collection.addText('c.txt', 'the third', 'y');
  const files = new Map(collection.files(HEAD).map(({ name, text }) => [name, text]));
  t.equal(files.get('a.txt'), 'ä'.repeat(50), 'whole characters');
  t.equal(files.get('b.txt'), 'x'.repeat(50));
  t.notOk(files.has('c.txt'));
  const index = files.get('INDEX.txt')!;
  t.match(index, /a\.txt \(100 bytes\): the first\n {4}cut: the first 100 of 160 bytes$/m);
  t.match(index, /^ {2}c\.txt: the bundle has 150 bytes already/m);
  t.equal(collection.missing.length, 1);
  t.end();
});

t.test('what was left out is listed, and is not in what could not be had either', (t) => {
  const collection = new Collection();
  collection.addJson('a.json', 'data', { password: 'hunter2-hunter2', at: 'http://x/?y=1' });
  collection.addText('b.txt', 'a text', 'it was hunter2-hunter2');
  collection.miss('the log', 'GET http://u:p@h/?token=abc:\n\u001b[31mhunter2-hunter2');
  const files = new Map(collection.files(HEAD).map(({ name, text }) => [name, text]));
  t.same(JSON.parse(files.get('a.json')!), { password: '[left out]', at: 'http://x/?[left out]' });
  t.equal(files.get('b.txt'), 'it was [left out]');
  const index = files.get('INDEX.txt')!;
  t.match(index, /^ {2}a\.json\n {4}password\n {4}query of a URL$/m);
  t.match(index, /^ {2}b\.txt\n {4}value that was left out elsewhere$/m);
  t.match(index, /^ {2}the log: GET http:\/\/\[left out\]@h\/\?\[left out\] \[31m\[left out\]$/m);
  const data = JSON.parse(files.get('index.json')!) as {
    missing: { what: string }[];
    files: { name: string; leftOut: unknown[] }[];
  };
  t.same(
    data.missing.map(({ what }) => what),
    ['the log'],
  );
  t.same(data.files[0]!.leftOut, [
    { place: 'password', times: 1 },
    { place: 'query of a URL', times: 1 },
  ]);
  t.end();
});
