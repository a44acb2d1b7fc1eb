/**
 * SIGUSR1, which makes Node listen for debuggers: on loopback, which every container of a pod shares, and whoever connects
 * runs what it likes as the user that the rules exempt. The proxy takes the signal and does nothing.
 */
import t from 'tap';
import { Sidecar } from '../support/sidecar.ts';
import { clusterOf } from '../support/cluster-of.ts';

t.test('no signal opens a debugger', async (t) => {
  const { cluster, directory } = clusterOf(t);
  const pod = cluster.addPod('client');
  const sidecar = await Sidecar.startProxy(pod, directory.path);

  const inspected = () => pod.run(['ss', '-Hltn', 'sport = :9229']).stdout;
  t.equal(inspected(), '');
  sidecar.process.kill('SIGUSR1');
  // Node begins to listen in its own time: by the third answer of the event loop it would have.
  for (let scrape = 0; scrape < 3; scrape += 1) sidecar.get('/livez');
  t.equal(inspected(), '', 'nobody listens');
  t.equal(await sidecar.stop(), 0, 'it goes on until it is ended');
  t.notMatch(sidecar.log.join('\n'), 'Debugger');
});
