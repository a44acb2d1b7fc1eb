/** A test cluster is gone when what started it has ended, however that ended. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import t from 'tap';
import { eventually } from '../support/eventually.ts';
import { waitForLine } from '../support/processes.ts';
import { ROOT } from './programs.ts';
import { listed, machine, tracesOf } from './traces.ts';
import { removeStale } from './workspace.ts';

const START_MS = 300_000;
const END_MS = 60_000;

/** A process that holds a cluster of this size, and where the cluster is. */
async function hold(size: 'api' | 'node') {
  const holder = spawn(process.execPath, [join(ROOT, 'dist', 'test', 'cluster', 'serve.js'), size], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const line = await waitForLine(holder, /^export KUBECONFIG=/, START_MS);
  const directory = dirname(/KUBECONFIG=(\S+)/.exec(line)![1]!);
  return { holder, directory };
}

for (const size of ['api', 'node'] as const)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const)
    t.test(`${signal} to what holds a cluster of size "${size}" leaves nothing of it`, async (t) => {
      const before = machine();
      const interfaces = listed('/run/netns');
      const { holder, directory } = await hold(size);
      t.teardown(() => holder.kill('SIGKILL'));
      t.ok(tracesOf(directory).length > 2, 'while it runs there are processes and a directory');
      const ended = once(holder, 'exit');
      holder.kill(signal);
      await ended;
      // What is killed cannot tidy up: its processes end by themselves, the rest is taken away by the next start.
      const processes = () => tracesOf(directory).filter((trace) => trace.startsWith('process'));
      await eventually('its processes have ended', () => processes().length === 0, END_MS);
      if (signal === 'SIGKILL') removeStale();
      t.strictSame(tracesOf(directory), []);
      t.strictSame(machine(), before, 'the settings of the kernel are what they were');
      const cni = listed('/run/netns').filter((name) => name.startsWith('cni-') && !interfaces.includes(name));
      t.strictSame(cni, [], 'no network namespace is left');
    });
