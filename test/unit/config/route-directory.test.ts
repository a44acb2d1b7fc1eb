import { execFileSync, spawn } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Test } from 'tap';
import { readDirectory } from '../../../src/config/directory-reader.ts';
import { loadRouteDirectory, RouteDirectory } from '../../../src/config/route-directory.ts';
import type { RouteDirectoryOptions } from '../../../src/config/route-directory.ts';
import type { ConfigSnapshot } from '../../../src/config/snapshot.ts';
import type { ParsedFile } from '../../../src/gateway-api/types.ts';
import { createLogger } from '../../../src/log.ts';
import { ConfigMapMount } from '../../support/config-map-mount.ts';
import { eventually } from '../../support/eventually.ts';
import { matches } from '../../support/match.ts';

/** One resource per non-empty file, named after its text; a text that contains `{` is unparsable, `!` a refused document. */
function parseText(file: string, text: string): ParsedFile {
  const name = text.trim();
  const source = { file, document: 1, line: 1 };
  const problem = { severity: 'error', file, document: 1, line: 1, resource: null, path: '', message: name } as const;
  if (name === 'throw') throw new Error('bug in the parser');
  if (name.includes('{')) {
    return { file, unparsable: true, resources: [], problems: [{ ...problem, code: 'not-yaml' }] };
  }
  return {
    file,
    unparsable: false,
    resources:
      name === ''
        ? []
        : [
            {
              kind: 'OtherRoute',
              routeKind: 'TCPRoute',
              namespace: 'test',
              name,
              generation: null,
              parentRefs: [],
              source,
            },
          ],
    problems: name.includes('!') ? [{ ...problem, code: 'refused' }] : [],
  };
}

class Watched {
  readonly snapshots: ConfigSnapshot[] = [];
  readonly parsed: string[] = [];
  readonly log: string[] = [];
  readonly directory: RouteDirectory;

  constructor(test: Test, path: string, options: Partial<RouteDirectoryOptions> = {}) {
    this.directory = new RouteDirectory({
      path,
      parse: (file, text) => {
        this.parsed.push(file);
        return parseText(file, text);
      },
      onChange: (snapshot) => {
        this.snapshots.push(snapshot);
      },
      logger: createLogger('debug', (line) => this.log.push(line)),
      // Long enough that a change which is seen was seen by the watch.
      pollMs: 60_000,
      fallbackPollMs: 50,
      ...options,
    });
    test.teardown(() => this.directory.close());
  }

  get last(): ConfigSnapshot {
    return this.snapshots.at(-1)!;
  }

  names(): string[] {
    return names(this.last);
  }

  /** Resolves once the resources are exactly `expected`. */
  async shows(...expected: string[]): Promise<void> {
    await eventually(
      `resources ${expected.join()}, now ${this.names().join()}`,
      () => this.names().join() === expected.join(),
    );
  }
}

function names(snapshot: ConfigSnapshot): string[] {
  return snapshot.resources.map((resource) => resource.name);
}

function codes(snapshot: ConfigSnapshot): string[] {
  return snapshot.problems.map((problem) => `${problem.file} ${problem.code}`);
}

function temporaryDirectory(test: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'sideroute-routes-'));
  test.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Another process that swaps `count` times, 3 ms apart; exit code when it is done. */
function swapInChild(test: Test, path: string, count: number): Promise<number | null> {
  const script = fileURLToPath(new URL('../../support/swap-config-map.js', import.meta.url));
  const child = spawn(process.execPath, [script, path, String(count), '3'], { stdio: 'inherit' });
  const exit = new Promise<number | null>((resolve) => child.on('exit', resolve));
  // Before the directory is removed under it.
  test.teardown(async () => {
    child.kill('SIGKILL');
    await exit;
  });
  return exit;
}

function assertOneGeneration(test: Test, texts: readonly string[]): void {
  const [first = '', ...rest] = texts;
  if (rest.some((text) => text !== first) || texts.length !== Number(first.split('/')[1])) {
    test.fail(`a mix of generations: ${texts.join(' ')}`);
  }
}

t.test('reads yaml, yml and json files in the order of their names, ignores hidden and other names', async (t) => {
  const path = temporaryDirectory(t);
  for (const name of ['b.yml', 'a.yaml', 'c.json', '.hidden.yaml', '..x.yaml', 'README.md', 'a.yaml~', 'd.yaml.bak']) {
    writeFileSync(join(path, name), name);
  }
  const watched = new Watched(t, path);
  await watched.directory.start();
  t.same(watched.names(), ['a.yaml', 'b.yml', 'c.json']);
  matches(t, watched.last, { generation: 1, valid: true, problems: [], heldFiles: [], hash: /^[0-9a-f]{16}$/ });
  t.equal(watched.directory.snapshot, watched.last);
});

t.test('a name that says nothing of the routes behind it is a warning, which comes and goes with it', async (t) => {
  const path = temporaryDirectory(t);
  writeFileSync(join(path, 'a.yaml'), 'a1');
  writeFileSync(join(path, 'README'), 'Services and their kind: HTTPRoute is one.');
  const watched = new Watched(t, path, { pollMs: 20 });
  await watched.directory.start();
  t.same(watched.last.problems, []);
  const { hash, generation } = watched.last;
  for (const text of ['kind: HTTPRoute\n', '{"apiVersion":"v1","kind":"List"}', 'a: 1\n---\nkind: "Service"\n']) {
    writeFileSync(join(path, 'my-route'), text);
    await eventually('the warning', () => watched.last.problems.length > 0);
    matches(t, watched.last, {
      ...{ hash, generation, valid: true },
      problems: [{ severity: 'warning', code: 'ignored-file', file: 'my-route', message: /must end in \.yaml/ }],
    });
    rmSync(join(path, 'my-route'));
    await eventually('it is gone', () => watched.last.problems.length === 0);
  }
});

t.test('the hash depends on names and contents only', async (t) => {
  const hash = async (files: Record<string, string>, mount = false): Promise<string> => {
    const path = temporaryDirectory(t);
    if (mount) new ConfigMapMount(path).write(files);
    else for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
    return (await loadRouteDirectory(path, parseText)).hash;
  };
  const base = await hash({ 'a.yaml': 'one', 'b.yaml': 'two' });
  t.equal(await hash({ 'b.yaml': 'two', 'a.yaml': 'one' }), base);
  t.equal(await hash({ 'b.yaml': 'two', 'a.yaml': 'one', 'README.md': 'x' }, true), base);
  t.not(await hash({ 'a.yaml': 'onetwo', 'b.yaml': '' }), base);
  t.not(await hash({ 'a.yaml': 'one', 'c.yaml': 'two' }), base);
  t.not(await hash({ 'a.yaml': 'one' }), base);
});

t.test('a ..data swap is applied within 1 s', async (t) => {
  const path = temporaryDirectory(t);
  const mount = new ConfigMapMount(path);
  mount.write({ 'a.yaml': 'a0' });
  const watched = new Watched(t, path);
  await watched.directory.start();
  const tookMs: number[] = [];
  for (let i = 1; i <= 5; i++) {
    const start = performance.now();
    mount.write({ 'a.yaml': `a${i}` });
    await watched.shows(`a${i}`);
    tookMs.push(performance.now() - start);
  }
  // The fastest: what else the machine does is not what is tested.
  t.ok(Math.min(...tookMs) < 1_000, `took ${tookMs.map(Math.round).join()} ms`);
});

t.test('only the files that changed are parsed again', async (t) => {
  const path = temporaryDirectory(t);
  const mount = new ConfigMapMount(path);
  mount.write({ 'a.yaml': 'a1', 'b.yaml': 'b1' });
  const watched = new Watched(t, path);
  await watched.directory.start();
  t.same(watched.parsed, ['a.yaml', 'b.yaml']);
  mount.write({ 'a.yaml': 'a1', 'b.yaml': 'b2', 'c.yaml': 'c2' });
  await watched.shows('a1', 'b2', 'c2');
  t.same(watched.parsed, ['a.yaml', 'b.yaml', 'b.yaml', 'c.yaml']);
  t.equal(watched.last.generation, 2);
  mount.write({ 'c.yaml': 'c2' });
  await watched.shows('c2');
  t.equal(watched.last.generation, 3);
});

t.test('a swap without a change of content is no new generation', async (t) => {
  const path = temporaryDirectory(t);
  const mount = new ConfigMapMount(path);
  mount.write({ 'a.yaml': 'a1' });
  const watched = new Watched(t, path);
  await watched.directory.start();
  const { hash } = watched.last;
  mount.write({ 'a.yaml': 'a1' });
  mount.write({ 'a.yaml': 'a1' });
  mount.write({ 'a.yaml': 'a2' });
  await watched.shows('a2');
  t.same(
    watched.snapshots.map((snapshot) => snapshot.generation),
    [1, 2],
  );
  mount.write({ 'a.yaml': 'a1' });
  await watched.shows('a1');
  t.equal(watched.last.hash, hash);
});

t.test('a read that meets a generation half removed starts again with the new one', async (t) => {
  const path = temporaryDirectory(t);
  const mount = new ConfigMapMount(path);
  const count = 20;
  const files = (generation: number): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${10 + i}.yaml`, `${generation}/${count}`]));
  mount.write(files(0));
  for (let generation = 1; generation <= 40; generation++) {
    const swap = mount.steps(files(generation));
    const advance = (steps: number): void => {
      while (steps-- > 0) swap.next();
    };
    // All but the rename; then the read makes a few system calls, wherever that gets it.
    advance(count + 1);
    const reading = readDirectory(path, 1_000);
    for (let i = generation % 10; i > 0; i--) await stat(path);
    // Rename, links, half of the old files; the read goes on; the rest.
    advance(1 + 2 * count + count / 2);
    for (let i = 0; i < 100; i++) await stat(path);
    advance(count);
    const texts = (await reading).files.map(({ content }) =>
      Buffer.isBuffer(content) ? String(content) : content.code,
    );
    assertOneGeneration(t, texts);
    t.ok(texts[0] === `${generation}/${count}` || texts[0] === `${generation - 1}/${count}`);
  }
});

t.test('1,000 ..data swaps, every snapshot is one generation and the last one is applied', async (t) => {
  const path = temporaryDirectory(t);
  new ConfigMapMount(path).write({ 'f0.yaml': '0/1' });
  const watched = new Watched(t, path, { settleMs: 0 });
  await watched.directory.start();
  t.equal(await swapInChild(t, path, 1_000), 0);
  await watched.shows('1000/3', '1000/3', '1000/3');
  let previous = -1;
  for (const snapshot of watched.snapshots) {
    if (!snapshot.valid) continue;
    assertOneGeneration(t, names(snapshot));
    const generation = Number(names(snapshot)[0]!.split('/')[0]);
    t.ok(generation > previous, `${generation} after ${previous}`);
    previous = generation;
  }
  t.comment(`${watched.snapshots.length} snapshots`);
});

t.test('a change that arrives while a snapshot is being applied is applied after it', async (t) => {
  const path = temporaryDirectory(t);
  const mount = new ConfigMapMount(path);
  mount.write({ 'a.yaml': 'a1', 'b.yaml': 'b1' });
  let swapped = false;
  const watched = new Watched(t, path, {
    parse: (file, text) => {
      if (!swapped) mount.write({ 'a.yaml': 'a2', 'b.yaml': 'b2' });
      swapped = true;
      return parseText(file, text);
    },
  });
  await watched.directory.start();
  t.same(watched.names(), ['a1', 'b1']);
  await watched.shows('a2', 'b2');
  t.equal(watched.snapshots.length, 2);
});

/** Applies snapshots one by one, each when the test says so. */
class SlowApply {
  readonly begun: string[] = [];
  readonly ended: string[] = [];
  #release: ((error: Error | null) => void) | null = null;

  readonly onChange = async (snapshot: ConfigSnapshot): Promise<void> => {
    const label = names(snapshot).join();
    this.begun.push(label);
    await new Promise<void>((resolve, reject) => {
      this.#release = (error) => (error === null ? resolve() : reject(error));
    });
    this.ended.push(label);
  };

  /** Ends the apply under way. */
  release(error: Error | null = null): void {
    this.#release!(error);
    this.#release = null;
  }

  get waiting(): boolean {
    return this.#release !== null;
  }
}

t.test('snapshots are applied one after the other; of two quick changes meanwhile the later one wins', async (t) => {
  const path = temporaryDirectory(t);
  const mount = new ConfigMapMount(path);
  mount.write({ 'a.yaml': 'a1' });
  const apply = new SlowApply();
  const watched = new Watched(t, path, { onChange: apply.onChange });
  let started = false;
  const starting = watched.directory.start().then(() => (started = true));
  await eventually('the first apply', () => apply.waiting);
  mount.write({ 'a.yaml': 'a2' });
  mount.write({ 'a.yaml': 'a3' });
  for (let i = 0; i < 20; i++) await stat(path);
  t.same([apply.begun, apply.ended, started], [['a1'], [], false]);
  apply.release();
  await starting;
  await eventually('the second apply', () => apply.waiting);
  t.same([apply.begun, apply.ended], [['a1', 'a3'], ['a1']]);
  mount.write({ 'a.yaml': 'a4' });
  apply.release();
  await eventually('the third apply', () => apply.waiting);
  apply.release();
  t.same(apply.begun, ['a1', 'a3', 'a4']);
});

t.test('an apply that fails is logged, and the next one comes all the same', async (t) => {
  const path = temporaryDirectory(t);
  const mount = new ConfigMapMount(path);
  mount.write({ 'a.yaml': 'a1' });
  const apply = new SlowApply();
  const watched = new Watched(t, path, { onChange: apply.onChange });
  const starting = watched.directory.start();
  await eventually('the first apply', () => apply.waiting);
  apply.release(new Error('no such thing'));
  await starting;
  t.match(watched.log.join('\n'), /could not be applied.*no such thing/);
  mount.write({ 'a.yaml': 'a2' });
  await eventually('the second apply', () => apply.waiting);
  apply.release();
  t.same(apply.begun, ['a1', 'a2']);
});

t.test('an apply that ends because the directory was closed is not an error', async (t) => {
  const path = temporaryDirectory(t);
  writeFileSync(join(path, 'a.yaml'), 'a1');
  const apply = new SlowApply();
  const watched = new Watched(t, path, { onChange: apply.onChange });
  const starting = watched.directory.start();
  await eventually('the first apply', () => apply.waiting);
  watched.directory.close();
  apply.release(new Error('closed'));
  await starting;
  t.same(
    watched.log.filter((line) => line.includes('"error"')),
    [],
  );
});

t.test('parsing yields to the event loop between files', async (t) => {
  const path = temporaryDirectory(t);
  for (let i = 10; i < 20; i++) writeFileSync(join(path, `f${i}.yaml`), 'x');
  let turns = 0;
  let ticking = true;
  const tick = (): void => {
    turns++;
    if (ticking) setImmediate(tick);
  };
  const turnOfFile: number[] = [];
  const watched = new Watched(t, path, {
    parse: (file, text) => {
      turnOfFile.push(turns);
      return parseText(file, text);
    },
  });
  setImmediate(tick);
  await watched.directory.start();
  ticking = false;
  t.equal(new Set(turnOfFile).size, 10);
});

t.test('plain directory: edits in place, new files and deletions are applied', async (t) => {
  const path = temporaryDirectory(t);
  writeFileSync(join(path, 'a.yaml'), 'a1');
  const watched = new Watched(t, path);
  await watched.directory.start();
  writeFileSync(join(path, 'a.yaml'), 'a2');
  await watched.shows('a2');
  writeFileSync(join(path, 'b.yaml'), 'b1');
  await watched.shows('a2', 'b1');
  // Editors write a temporary file and rename it.
  writeFileSync(join(path, '.b.yaml.swp'), 'b2');
  renameSync(join(path, '.b.yaml.swp'), join(path, 'b.yaml'));
  await watched.shows('a2', 'b2');
  rmSync(join(path, 'a.yaml'));
  await watched.shows('b2');
  t.equal(watched.last.generation, 5);
  t.equal(watched.last.valid, true);
});

t.test('a file written in pieces is read when it is complete', async (t) => {
  const path = temporaryDirectory(t);
  const file = join(path, 'a.yaml');
  writeFileSync(file, 'old');
  const watched = new Watched(t, path, { settleMs: 200 });
  await watched.directory.start();
  const fd = openSync(file, 'w');
  for (const piece of ['n', 'e', 'w', 'e', 'r']) {
    writeSync(fd, piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  closeSync(fd);
  await watched.shows('newer');
  t.same(watched.snapshots.map(names), [['old'], ['newer']]);
});

t.test('a file that never stops changing is applied all the same', async (t) => {
  const path = temporaryDirectory(t);
  const file = join(path, 'a.yaml');
  writeFileSync(file, 'x');
  const watched = new Watched(t, path, { settleMs: 50, maxSettleMs: 150 });
  await watched.directory.start();
  const timer = setInterval(() => appendFileSync(file, 'x'), 20);
  t.teardown(() => clearInterval(timer));
  await eventually('three snapshots', () => watched.snapshots.length >= 3);
  t.equal(watched.last.valid, true);
});

t.test('an unparsable file keeps its last good content until it is mended', async (t) => {
  const path = temporaryDirectory(t);
  const mount = new ConfigMapMount(path);
  mount.write({ 'a.yaml': 'a1', 'b.yaml': 'b1' });
  const watched = new Watched(t, path);
  await watched.directory.start();
  mount.write({ 'a.yaml': '{', 'b.yaml': 'b2' });
  await watched.shows('a1', 'b2');
  matches(t, watched.last, { generation: 2, valid: false, heldFiles: ['a.yaml'] });
  t.same(codes(watched.last), ['a.yaml not-yaml']);
  mount.write({ 'a.yaml': '{{', 'b.yaml': 'b3' });
  await watched.shows('a1', 'b3');
  t.same(watched.last.heldFiles, ['a.yaml']);
  mount.write({ 'a.yaml': 'a4', 'b.yaml': 'b3' });
  await watched.shows('a4', 'b3');
  matches(t, watched.last, { generation: 4, valid: true, heldFiles: [], problems: [] });
  mount.write({ 'a.yaml': '{', 'b.yaml': 'b3' });
  await eventually('held again', () => !watched.last.valid);
  mount.write({ 'b.yaml': 'b3' });
  await watched.shows('b3');
  t.equal(watched.last.valid, true);
});

t.test('an unparsable file without a good content before is a problem and nothing else', async (t) => {
  const path = temporaryDirectory(t);
  writeFileSync(join(path, 'a.yaml'), '{');
  writeFileSync(join(path, 'b.yaml'), 'b1');
  const snapshot = await loadRouteDirectory(path, parseText);
  t.same(names(snapshot), ['b1']);
  matches(t, snapshot, { valid: false, heldFiles: [] });
});

t.test('a refused document does not hold its file', async (t) => {
  const path = temporaryDirectory(t);
  writeFileSync(join(path, 'a.yaml'), 'a1');
  const watched = new Watched(t, path);
  await watched.directory.start();
  writeFileSync(join(path, 'a.yaml'), 'a2!');
  await watched.shows('a2!');
  matches(t, watched.last, { valid: false, heldFiles: [], problems: [{ code: 'refused' }] });
});

t.test('a parser that throws costs one file, not the others', async (t) => {
  const path = temporaryDirectory(t);
  writeFileSync(join(path, 'a.yaml'), 'throw');
  writeFileSync(join(path, 'b.yaml'), 'b1');
  const snapshot = await loadRouteDirectory(path, parseText);
  t.same(names(snapshot), ['b1']);
  t.same(codes(snapshot), ['a.yaml internal']);
});

t.test('a parser may answer later, as one in another thread does', async (t) => {
  const path = temporaryDirectory(t);
  writeFileSync(join(path, 'a.yaml'), 'throw');
  writeFileSync(join(path, 'b.yaml'), 'b1');
  const snapshot = await loadRouteDirectory(path, async (file, text) => {
    await new Promise((resolve) => setImmediate(resolve));
    return parseText(file, text);
  });
  t.same(names(snapshot), ['b1']);
  t.same(codes(snapshot), ['a.yaml internal']);
});

t.test('what is not a readable regular file is reported and never blocks', async (t) => {
  const path = temporaryDirectory(t);
  writeFileSync(join(path, 'good.yaml'), 'good');
  execFileSync('mkfifo', [join(path, 'fifo.yaml')]);
  mkdirSync(join(path, 'directory.yaml'));
  symlinkSync('/dev/zero', join(path, 'device.yaml'));
  symlinkSync('nowhere', join(path, 'dangling.yaml'));
  symlinkSync('loop.yaml', join(path, 'loop.yaml'));
  // Opens and then fails to read (EIO).
  symlinkSync('/proc/self/mem', join(path, 'refused.yaml'));
  writeFileSync(join(path, 'large.yaml'), '');
  truncateSync(join(path, 'large.yaml'), 1_000_001);
  // Reports size 0 and has more.
  symlinkSync('/proc/kallsyms', join(path, 'procfs.yaml'));
  writeFileSync(join(path, 'latin1.yaml'), Buffer.from([0x66, 0xfc, 0x72]));
  writeFileSync(join(path, 'bom.yaml'), '\ufeffbom');
  const snapshot = await loadRouteDirectory(path, parseText, 1_000_000);
  t.same(names(snapshot), ['bom', 'good']);
  t.same(codes(snapshot), [
    'dangling.yaml unreadable-file',
    'device.yaml not-a-file',
    'directory.yaml not-a-file',
    'fifo.yaml not-a-file',
    'large.yaml too-large',
    'latin1.yaml invalid-utf8',
    'loop.yaml unreadable-file',
    'procfs.yaml too-large',
    'refused.yaml unreadable-file',
  ]);
  t.equal(snapshot.valid, false);
  for (const problem of snapshot.problems) t.match(problem, { severity: 'error', document: 1, message: /\w/ });
});

t.test('a file that turns into a FIFO is held at its last good content', async (t) => {
  const path = temporaryDirectory(t);
  const file = join(path, 'a.yaml');
  writeFileSync(file, 'a1');
  const watched = new Watched(t, path);
  await watched.directory.start();
  rmSync(file);
  execFileSync('mkfifo', [file]);
  await eventually('held', () => watched.last.heldFiles.length === 1);
  t.same(watched.names(), ['a1']);
  rmSync(file);
  writeFileSync(file, 'a2');
  await watched.shows('a2');
  t.equal(watched.last.valid, true);
});

t.test('a missing directory is an invalid empty snapshot, and is read once it is there', async (t) => {
  const path = join(temporaryDirectory(t), 'routes');
  const watched = new Watched(t, path);
  await watched.directory.start();
  matches(t, watched.last, { generation: 1, valid: false, resources: [], problems: [{ code: 'directory-missing' }] });
  mkdirSync(path);
  writeFileSync(join(path, 'a.yaml'), 'a1');
  await watched.shows('a1');
  t.equal(watched.last.valid, true);
  t.match(watched.log.join(''), /cannot be watched.*\n.*watched again/);
});

t.test('a file, or a dangling link, in place of the directory is reported', async (t) => {
  const parent = temporaryDirectory(t);
  writeFileSync(join(parent, 'file'), '');
  matches(t, await loadRouteDirectory(join(parent, 'file'), parseText), { problems: [{ message: /not a directory/ }] });
  symlinkSync('nowhere', join(parent, 'link'));
  matches(t, await loadRouteDirectory(join(parent, 'link'), parseText), { problems: [{ code: 'directory-missing' }] });
});

t.test('a directory that is deleted keeps its last good content, and is followed when it is recreated', async (t) => {
  const path = join(temporaryDirectory(t), 'routes');
  new ConfigMapMount(path).write({ 'a.yaml': 'a1', 'b.yaml': '{' });
  const watched = new Watched(t, path);
  await watched.directory.start();
  const first = watched.last;
  for (let round = 2; round < 5; round++) {
    renameSync(path, `${path}.old`);
    rmSync(`${path}.old`, { recursive: true });
    await eventually('noticed', () => watched.last.problems[0]?.code === 'directory-missing');
    t.equal(watched.last.valid, false);
    t.same(watched.last.resources.length, 1);
    const mount = new ConfigMapMount(path);
    mount.write({ 'a.yaml': `a${round}` });
    await watched.shows(`a${round}`);
    // The watch is on the new directory: the poll interval would be too long.
    mount.write({ 'a.yaml': `a${round}b` });
    await watched.shows(`a${round}b`);
  }
  t.match(watched.snapshots[1], { generation: first.generation, hash: first.hash, heldFiles: first.heldFiles });
  t.equal(watched.last.generation, 7);
});

t.test('a directory replaced at once by another one is followed', async (t) => {
  const path = join(temporaryDirectory(t), 'routes');
  const watched = new Watched(t, path);
  for (let round = 0; round < 5; round++) {
    rmSync(path, { recursive: true, force: true });
    mkdirSync(path);
    writeFileSync(join(path, 'a.yaml'), `a${round}`);
    if (round === 0) await watched.directory.start();
    await watched.shows(`a${round}`);
    writeFileSync(join(path, 'a.yaml'), `b${round}`);
    await watched.shows(`b${round}`);
  }
});

t.test('a mount whose ..data link vanishes or dangles keeps its last good content', async (t) => {
  const path = temporaryDirectory(t);
  const mount = new ConfigMapMount(path);
  mount.write({ 'a.yaml': 'a1' });
  const watched = new Watched(t, path);
  await watched.directory.start();
  rmSync(join(path, '..data'));
  await eventually('link missing', () => !watched.last.valid);
  t.same(watched.names(), ['a1']);
  matches(t, watched.last.problems, [{ code: 'directory-unreadable', message: /lost its \.\.data/ }]);
  symlinkSync('..nowhere', join(path, '..data_tmp'));
  renameSync(join(path, '..data_tmp'), join(path, '..data'));
  await eventually('link dangles', () => watched.last.problems[0]?.message.includes('leads to') === true);
  t.same(watched.names(), ['a1']);
  mount.write({ 'a.yaml': 'a2' });
  await watched.shows('a2');
  t.equal(watched.last.valid, true);
});

t.test('the poll finds what the watch cannot see', async (t) => {
  const path = temporaryDirectory(t);
  const elsewhere = join(temporaryDirectory(t), 'target');
  writeFileSync(elsewhere, 'a1');
  symlinkSync(elsewhere, join(path, 'a.yaml'));
  const watched = new Watched(t, path, { pollMs: 50 });
  await watched.directory.start();
  writeFileSync(elsewhere, 'a2');
  await watched.shows('a2');
});

t.test('without inotify the directory is polled', async (t) => {
  const path = temporaryDirectory(t);
  const mount = new ConfigMapMount(path);
  mount.write({ 'a.yaml': 'a1' });
  const script = `
    import { RouteDirectory } from ${JSON.stringify(new URL('../../../src/config/route-directory.js', import.meta.url))};
    import { createLogger } from ${JSON.stringify(new URL('../../../src/log.js', import.meta.url))};
    const source = { file: '', document: 1, line: 1 };
    await new RouteDirectory({
      path: process.argv[1],
      parse: (file, text) => ({ file, unparsable: false, problems: [], resources: [{ kind: 'OtherRoute', name: text }] }),
      onChange: (snapshot) => console.log(snapshot.resources[0].name),
      logger: createLogger('warn', (line) => console.log(line)),
      fallbackPollMs: 50,
    }).start();
    setInterval(() => {}, 60_000);
  `;
  // A user namespace has its own limit on inotify instances: the kernel itself says EMFILE.
  const child = spawn('unshare', [
    '--user',
    '--map-root-user',
    'sh',
    '-c',
    'echo 0 >/proc/sys/user/max_inotify_instances && exec "$@"',
    'sh',
    process.execPath,
    '--input-type=module',
    '--eval',
    script,
    path,
  ]);
  t.teardown(() => child.kill('SIGKILL'));
  let output = '';
  child.stdout.on('data', (chunk) => (output += String(chunk)));
  child.stderr.on('data', (chunk) => (output += String(chunk)));
  await eventually('first snapshot', () => output.includes('a1\n'), 15_000);
  t.match(output, /cannot be watched, polling.*"error":"EMFILE"/);
  mount.write({ 'a.yaml': 'a2' });
  await eventually(`second snapshot: ${output}`, () => output.includes('a2\n'));
  t.equal(output.split('cannot be watched').length, 2, 'said once');
});

t.test('an exception in onChange is logged and later changes are applied', async (t) => {
  const path = temporaryDirectory(t);
  writeFileSync(join(path, 'a.yaml'), 'a1');
  const applied: string[] = [];
  const watched = new Watched(t, path, {
    onChange: (snapshot) => {
      applied.push(names(snapshot).join());
      if (applied.length === 1) throw new Error('cannot compile');
    },
  });
  await watched.directory.start();
  t.match(watched.log.join(''), /could not be applied.*cannot compile/);
  writeFileSync(join(path, 'a.yaml'), 'a2');
  await eventually('applied', () => applied.includes('a2'));
});

t.test('after close nothing is published, and nothing keeps the process alive', async (t) => {
  const path = temporaryDirectory(t);
  writeFileSync(join(path, 'a.yaml'), 'a1');
  const watched = new Watched(t, path);
  const started = watched.directory.start();
  watched.directory.close();
  await started;
  t.same(watched.snapshots, []);
  const script = `
    import { RouteDirectory } from ${JSON.stringify(new URL('../../../src/config/route-directory.js', import.meta.url))};
    const options = { path: process.argv[1], parse: () => ({ resources: [], problems: [] }), onChange() {}, logger: null };
    await new RouteDirectory(options).start();
  `;
  // Not even closed: watch and timers are unreferenced.
  execFileSync(process.execPath, ['--input-type=module', '--eval', script, path], { timeout: 10_000 });
});
