/** What a sidecar is asked for, over real sockets: an address that a pod had may be that of another one by now. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import type { PodEntry } from '../../../src/controller/objects.ts';
import { PodAccess } from '../../../src/controller/pod-access.ts';
import { INJECTED_ANNOTATION } from '../../../src/inject/record.ts';
import { KubeClient } from '../../../src/kube/client.ts';

async function listen(t: Test, serve: RequestListener): Promise<number> {
  const server = createServer(serve);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const POD: PodEntry = {
  ...{
    key: 'shop/report',
    namespace: 'shop',
    name: 'report',
    uid: 'u-1',
    resourceVersion: '1',
    createdMs: 0,
    told: '',
  },
};

t.test('the address of a pod that has ended is another pod by now: what that serves says nothing', async (t) => {
  let phase = 'Running';
  let served = 'first';
  let reads = 0;
  const port = await listen(t, (_, response) => response.end(JSON.stringify({ set: { generation: 1, hash: served } })));
  const api = await listen(t, (_, response) => {
    reads++;
    const annotations = { [INJECTED_ANNOTATION]: '{}' };
    response.end(
      JSON.stringify({
        metadata: { namespace: POD.namespace, name: POD.name, uid: POD.uid, annotations },
        status: { phase, podIP: '127.0.0.1' },
      }),
    );
  });
  const access = { ca: null, cert: null, key: null, servername: null, verify: true };
  const client = new KubeClient(
    { ...access, server: `http://127.0.0.1:${api}`, authorization: () => null, issuer: null, headers: {} },
    'test',
  );
  t.teardown(() => client.close());
  const pods = new PodAccess(client, port, () => true);
  const { signal } = new AbortController();
  t.same(await pods.look(POD, 'first', signal), { found: 'served', hash: 'first' });
  t.same(await pods.look(POD, 'first', signal), { found: 'served', hash: 'first' });
  t.equal(reads, 1, 'as long as it serves what it is to serve its address is not asked for again');

  phase = 'Succeeded';
  served = 'of somebody else';
  await pods.look(POD, 'second', signal);
  t.same(await pods.look(POD, 'second', signal), { found: 'gone' });
});
