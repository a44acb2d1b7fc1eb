/**
 * What threads of the process have freed goes back to the kernel, whatever was freed before: V8 collects a large configuration in threads
 * of its own, whose heaps nobody else can trim. Seen in a process that loads the addon and has Node's threads take and free large blocks.
 */
import { spawnSync } from 'node:child_process';
import t from 'tap';

const THREADS = 4;
/** Of a scrypt with these parameters, 128 * N * r, in one piece. */
const BLOCK_BYTES = 8 * 1024 * 1024;

const PROGRAM = `
import { readFileSync } from 'node:fs';
import { scrypt } from 'node:crypto';
import { loadNative } from '${new URL('../../../src/addon/binding.js', import.meta.url).href}';

loadNative();
const ownBytes = () => Number(/^Private_Dirty: +(\\d+) kB$/m.exec(readFileSync('/proc/self/smaps_rollup', 'utf8'))[1]) * 1024;
const derive = () => new Promise((resolve, reject) =>
  scrypt('secret', 'salt', 32, { N: 8192, r: 8, maxmem: 64 * 1024 * 1024 }, (error) => (error ? reject(error) : resolve())));
const round = () => Promise.all(Array.from({ length: ${THREADS} }, derive));

// The first blocks that are freed make glibc keep later ones of their size.
await round();
const before = ownBytes();
await round();
process.stdout.write(String(ownBytes() - before));
`;

t.test('blocks that threads have freed are not kept', (t) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', PROGRAM], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '', UV_THREADPOOL_SIZE: String(THREADS) },
  });
  t.equal(status, 0, stderr);
  t.ok(Number(stdout) < BLOCK_BYTES / 2, `${stdout} bytes more than before`);
  t.end();
});
