import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { WORKERS } from '../../../src/config/settings.ts';
import { MAX_WORKERS, workerCount } from '../../../src/config/worker-count.ts';

/** A root with such files. */
function rootWith(t: Test, files: Readonly<Record<string, string>>): string {
  const root = t.testdir();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

const V2 = {
  'proc/self/cgroup': '0::/pod/container\n',
  'proc/self/mountinfo': '30 25 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw\n',
};
const V1 = {
  'proc/self/cgroup': '5:memory:/pod\n4:cpu,cpuacct:/pod/container\n',
  'proc/self/mountinfo': '30 25 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n',
};

t.test('a number is that number', async (t) => {
  t.equal(workerCount(3, rootWith(t, {})), 3);
});

t.test('there may be as many as auto gives, and no more', async (t) => {
  for (let workers = 0; workers <= 200; workers++) {
    t.equal(WORKERS.test(String(workers)), workers >= 1 && workers <= MAX_WORKERS, String(workers));
  }
});

for (const [limit, count] of [
  ['200000 100000', 2],
  ['250000 100000', 2],
  ['50000 100000', 1],
  ['max 100000', 1],
  ['6400000 100000', MAX_WORKERS],
] as const) {
  t.test(`auto, version 2, a limit of ${limit}: ${count}`, async (t) => {
    const root = rootWith(t, { ...V2, 'sys/fs/cgroup/pod/container/cpu.max': `${limit}\n` });
    t.equal(workerCount('auto', root), count);
  });
}

t.test('auto: the smallest limit on the way up', async (t) => {
  const root = rootWith(t, {
    ...V2,
    'sys/fs/cgroup/pod/container/cpu.max': '800000 100000\n',
    'sys/fs/cgroup/pod/cpu.max': '300000 100000\n',
  });
  t.equal(workerCount('auto', root), 3);
});

t.test('auto, version 1: the quota, where there is one', async (t) => {
  for (const [quota, count] of [
    ['400000', 4],
    ['-1', 1],
  ] as const) {
    const root = rootWith(t, {
      ...V1,
      'sys/fs/cgroup/cpu/pod/container/cpu.cfs_quota_us': `${quota}\n`,
      'sys/fs/cgroup/cpu/pod/container/cpu.cfs_period_us': '100000\n',
    });
    t.equal(workerCount('auto', root), count);
  }
});

t.test('auto, without cgroups: 1', async (t) => {
  t.equal(workerCount('auto', rootWith(t, {})), 1);
});
