/** The limit is found the way runtimes and kernels show it: in trees of files as they look from within a container. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';

import { findMemoryLimit } from '../../../src/addon/memory-limit.ts';

const MIB = 1024 * 1024;
const NONE_V1 = '9223372036854771712';
const V1_MOUNT = '35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory';
const V2_MOUNT = '41 31 0:38 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw,nsdelegate';
const POD = '/kubepods/burstable/pod1/c1';

function tree(t: Test, files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'sideroute-memory-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), `${text}\n`);
  }
  return root;
}

/** Files that say what a cgroup uses. */
function used(directory: string, name: string): Record<string, string> {
  return { [`${directory}/${name}`]: '4096', [`${directory}/memory.stat`]: 'anon 4096' };
}

t.test('version 2, in a namespace of its own: the mount is the cgroup', async (t) => {
  const root = tree(t, {
    'proc/self/cgroup': '0::/',
    'proc/self/mountinfo': V2_MOUNT,
    'sys/fs/cgroup/memory.max': String(256 * MIB),
    ...used('sys/fs/cgroup', 'memory.current'),
  });
  t.same(findMemoryLimit(null, root), {
    bytes: 256 * MIB,
    source: 'cgroup v2',
    usage: join(root, 'sys/fs/cgroup/memory.current'),
    statistics: join(root, 'sys/fs/cgroup/memory.stat'),
    countsSockets: true,
  });
});

t.test('version 2, the tree of the host: the smallest limit on the way up, and what the own cgroup uses', async (t) => {
  const root = tree(t, {
    'proc/self/cgroup': `0::${POD}`,
    'proc/self/mountinfo': V2_MOUNT,
    'sys/fs/cgroup/kubepods/memory.max': 'max',
    'sys/fs/cgroup/kubepods/burstable/pod1/memory.max': String(200 * MIB),
    [`sys/fs/cgroup${POD}/memory.max`]: String(256 * MIB),
    ...used('sys/fs/cgroup/kubepods/burstable/pod1', 'memory.current'),
    ...used(`sys/fs/cgroup${POD}`, 'memory.current'),
  });
  t.match(findMemoryLimit(null, root), {
    bytes: 200 * MIB,
    usage: join(root, `sys/fs/cgroup${POD}/memory.current`),
    statistics: join(root, `sys/fs/cgroup${POD}/memory.stat`),
  });
});

t.test('version 2, a cgroup without the controller: the usage of the next one up', async (t) => {
  const root = tree(t, {
    'proc/self/cgroup': `0::${POD}`,
    'proc/self/mountinfo': V2_MOUNT,
    'sys/fs/cgroup/kubepods/burstable/pod1/memory.max': String(200 * MIB),
    ...used('sys/fs/cgroup/kubepods/burstable/pod1', 'memory.current'),
    [`sys/fs/cgroup${POD}/cgroup.procs`]: '',
  });
  t.match(findMemoryLimit(null, root), {
    bytes: 200 * MIB,
    usage: join(root, 'sys/fs/cgroup/kubepods/burstable/pod1/memory.current'),
  });
});

t.test('what is used cannot be read: the memory of the process counts', async (t) => {
  const root = tree(t, {
    'proc/self/cgroup': '0::/',
    'proc/self/mountinfo': V2_MOUNT,
    'sys/fs/cgroup/memory.max': String(256 * MIB),
  });
  t.same(findMemoryLimit(null, root), {
    bytes: 256 * MIB,
    source: 'cgroup v2',
    usage: null,
    statistics: null,
    countsSockets: false,
  });
});

t.test('version 2: where the kernel begins to hold the process up', async (t) => {
  const root = tree(t, {
    'proc/self/cgroup': '0::/',
    'proc/self/mountinfo': V2_MOUNT,
    'sys/fs/cgroup/memory.max': String(256 * MIB),
    'sys/fs/cgroup/memory.high': String(230 * MIB),
  });
  t.match(findMemoryLimit(null, root), { bytes: 230 * MIB });
});

t.test('version 1, mounted as runtimes do: the own cgroup alone, under the name of the host', async (t) => {
  const root = tree(t, {
    'proc/self/cgroup': `5:cpu,cpuacct:${POD}\n4:memory:${POD}\n1:name=systemd:${POD}`,
    'proc/self/mountinfo': V1_MOUNT.replace(' / /', ` ${POD} /`),
    'sys/fs/cgroup/memory/memory.limit_in_bytes': String(128 * MIB),
    ...used('sys/fs/cgroup/memory', 'memory.usage_in_bytes'),
  });
  t.same(findMemoryLimit(null, root), {
    bytes: 128 * MIB,
    source: 'cgroup v1',
    usage: join(root, 'sys/fs/cgroup/memory/memory.usage_in_bytes'),
    statistics: join(root, 'sys/fs/cgroup/memory/memory.stat'),
    countsSockets: false,
  });
});

t.test('version 1, the tree of the host', async (t) => {
  const root = tree(t, {
    'proc/self/cgroup': '4:memory:/a/b\n0::/a/b',
    'proc/self/mountinfo': `${V1_MOUNT}\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw`,
    'sys/fs/cgroup/memory/memory.limit_in_bytes': NONE_V1,
    'sys/fs/cgroup/memory/a/memory.limit_in_bytes': String(512 * MIB),
    'sys/fs/cgroup/memory/a/b/memory.limit_in_bytes': String(300 * MIB),
    'sys/fs/cgroup/unified/a/b/cgroup.procs': '',
    ...used('sys/fs/cgroup/memory/a/b', 'memory.usage_in_bytes'),
  });
  t.match(findMemoryLimit(null, root), { bytes: 300 * MIB, usage: /a\/b\/memory\.usage_in_bytes$/ });
});

t.test('a mount at a path with blanks', async (t) => {
  const root = tree(t, {
    'proc/self/cgroup': '0::/',
    'proc/self/mountinfo': V2_MOUNT.replace('/sys/fs/cgroup', '/sys/fs/a\\040b'),
    'sys/fs/a b/memory.max': String(64 * MIB),
  });
  t.match(findMemoryLimit(null, root), { bytes: 64 * MIB });
});

t.test('there is none', async (t) => {
  for (const files of [
    {},
    { 'proc/self/cgroup': '0::/', 'proc/self/mountinfo': V2_MOUNT, 'sys/fs/cgroup/memory.max': 'max' },
    { 'proc/self/cgroup': '0::/', 'proc/self/mountinfo': V2_MOUNT },
    {
      'proc/self/cgroup': '4:memory:/',
      'proc/self/mountinfo': V1_MOUNT,
      'sys/fs/cgroup/memory/memory.limit_in_bytes': NONE_V1,
    },
    {
      'proc/self/cgroup': '0::/',
      'proc/self/mountinfo': V2_MOUNT,
      'sys/fs/cgroup/memory.max': String(2 ** 53),
    },
    { 'proc/self/cgroup': 'nonsense', 'proc/self/mountinfo': 'nonsense' },
  ]) {
    t.equal(findMemoryLimit(null, tree(t, files)), null);
  }
});

t.test('--memory-limit wins, with the usage of the cgroup where there is one', async (t) => {
  const root = tree(t, {
    'proc/self/cgroup': '0::/',
    'proc/self/mountinfo': V2_MOUNT,
    'sys/fs/cgroup/memory.max': String(256 * MIB),
    ...used('sys/fs/cgroup', 'memory.current'),
  });
  t.match(findMemoryLimit(100 * MIB, root), { bytes: 100 * MIB, source: '--memory-limit', usage: /memory\.current$/ });
  t.same(findMemoryLimit(100 * MIB, tree(t, {})), {
    bytes: 100 * MIB,
    source: '--memory-limit',
    usage: null,
    statistics: null,
    countsSockets: false,
  });
  t.equal(findMemoryLimit(0, root), null);
});

t.test('this machine, as it is', async (t) => {
  const limit = findMemoryLimit();
  t.ok(limit === null || limit.bytes > 0);
});
