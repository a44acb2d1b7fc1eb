/** Every value that `--memory-limit` and its variable may have starts the sidecar, the default written out included. */
import t from 'tap';
import { Sidecar, SIDEROUTE } from '../support/sidecar.ts';
import { clusterOf } from '../support/cluster-of.ts';

t.test('--memory-limit', async (t) => {
  const { cluster, directory } = clusterOf(t);
  const pod = cluster.addPod('client');

  // `ip netns exec` shows no cgroups to what it runs.
  for (const [value, bytes] of [
    ['auto', 0],
    ['none', 0],
    ['256Mi', 256 * 2 ** 20],
    ['4194304Gi', 2 ** 52],
  ] as const) {
    const sidecar = await Sidecar.startProxy(pod, directory.path, '--memory-limit', value);
    t.equal(sidecar.metric(/^sideroute_memory_limit_bytes /), bytes, value);
    await sidecar.stop();
  }

  for (const value of ['31Mi', '4194305Gi', 'max', '']) {
    const { status, stderr } = pod.run([...SIDEROUTE, 'proxy', '--routes', directory.path, '--memory-limit', value]);
    t.equal(status, 2, `"${value}": ${stderr}`);
    t.match(stderr, '--memory-limit');
  }
});
