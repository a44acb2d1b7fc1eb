/** What a test cluster may leave on the machine, for the test that it leaves nothing. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { interfacesOf } from './workspace.ts';

/** Settings of the kernel that kubelet and kube-proxy like to change, and what the machine has of everything that they make. */
export function machine(): Readonly<Record<string, unknown>> {
  const settings = [
    'vm/overcommit_memory',
    'vm/panic_on_oom',
    'kernel/panic',
    'kernel/panic_on_oops',
    'kernel/keys/root_maxkeys',
    'kernel/keys/root_maxbytes',
    'net/ipv4/ip_forward',
    'net/ipv4/conf/all/route_localnet',
    'net/netfilter/nf_conntrack_max',
  ].filter((name) => existsSync(`/proc/sys/${name}`));
  return Object.fromEntries(settings.map((name) => [name, readFileSync(`/proc/sys/${name}`, 'utf8').trim()]));
}

export function listed(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** Everything on the machine that is of the cluster with this directory, in words. */
export function tracesOf(directory: string): string[] {
  const name = basename(directory);
  const processes = readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
    .filter((pid) =>
      ['cgroup', 'cmdline', 'mountinfo'].some((file) => readOrEmpty(`/proc/${pid}/${file}`).includes(name)),
    )
    .map((pid) => `process ${pid}: ${readOrEmpty(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')}`);
  const hierarchies = ['/sys/fs/cgroup', ...listed('/sys/fs/cgroup').map((entry) => join('/sys/fs/cgroup', entry))];
  const places = [...hierarchies, tmpdir(), '/run', '/run/netns', '/run/containerd', '/var/lib', '/var/lib/cni'];
  return [
    ...processes,
    ...places.filter((place) => existsSync(join(place, name))).map((place) => join(place, name)),
    ...readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(name)),
    ...interfacesOf(name).map((link) => `interface ${link}`),
  ];
}
