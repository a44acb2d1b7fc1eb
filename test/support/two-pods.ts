/**
 * The stage of many tests: a client, and a server behind two Services, so that responses show where a request went.
 * Service `web` answers `Version parent`, `v1` answers `Version 1`; if `web` is routed to `v1`, the client sees the
 * latter.
 */
import type { Test } from 'tap';
import { Cluster, type Pod } from './cluster.ts';
import { startFixture } from './sidecar.ts';
import { clusterOf } from './cluster-of.ts';

/** ClusterIPs, the same as `services.ts` writes into documents. */
const WEB = '10.96.0.10';
const V1 = '10.96.0.11';

export interface TwoPods {
  readonly cluster: Cluster;
  readonly client: Pod;
  readonly server: Pod;
  /** For files of the test, readable by other uids. */
  readonly directory: string;
}

/** Everything ends with the test. */
export async function startTwoPods(test: Test): Promise<TwoPods> {
  const { cluster, directory } = clusterOf(test);
  const client = cluster.addPod('client');
  const server = cluster.addPod('server');
  cluster.addService(WEB, 80, [{ address: server.v4, port: 8000 }]);
  cluster.addService(V1, 80, [{ address: server.v4, port: 8001 }]);
  await startFixture(server, 'hello-server', '8000', 'parent');
  await startFixture(server, 'hello-server', '8001', '1');
  return { cluster, client, server, directory: directory.path };
}
