/** The versions of Node that the package, the documents, CI and the image name are the same ones. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ROOT } from '../../support/manifests.ts';

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

/** Of `engines`: the oldest version of each line, the line first. */
const oldest = new Map(
  (JSON.parse(read('package.json')) as { engines: { node: string } }).engines.node
    .split(' || ')
    .map((range) => /^\^(\d+)\.(\d+)\.0$/.exec(range)!)
    .map(([, line, minor]) => [Number(line), Number(minor)]),
);
const lines = [...oldest.keys()];

t.test('CI runs the suite on the oldest line and on the newest, and a few files on each between', (t) => {
  const [, first, between, newest] =
    /^NODE_OLDEST=(\S+)\nNODES_BETWEEN='(.*)'\nNODE_NEWEST=(\S+)$/m.exec(read('.ci/run')) ?? [];
  const versions = [first!, ...between!.split(' '), newest!].map((version) => version.split('.').map(Number));
  t.same(
    versions.map(([line]) => line),
    lines,
  );
  for (const [line, minor] of versions) t.ok(minor! >= oldest.get(line!)!, `${line}.${minor} is one of package.json`);
  t.end();
});

t.test('the documents name the lines, and the image has one of them', (t) => {
  t.match(read('README.md'), `with Node ${lines.slice(0, -1).join(', ')} or ${lines.at(-1)},`);
  const named = [...oldest].map(([line, minor]) => (minor === 0 ? `${line}` : `${line}.${minor}`));
  t.match(
    read('CONTRIBUTING.md'),
    `Node ${named.slice(0, -1).join(', ')} or ${named.at(-1)} or later of the same line`,
  );
  t.match(read('docs/ENGINES.md'), `${lines.slice(0, -1).join(', ')} and ${lines.at(-1)}`);
  const [, image] = /^ARG NODE_IMAGE=.*\/node:(\d+)-/m.exec(read('Dockerfile')) ?? [];
  t.ok(lines.includes(Number(image)), `the image has ${image}`);
  t.match(read('docs/install.md'), `libstdc++), Node ${image}, the program`);
  t.match(read('docs/PERFORMANCE.md'), `So the images have ${image}`);
  t.end();
});
