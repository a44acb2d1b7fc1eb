/** What nearly every end-to-end test begins with: pods to be, and a place for its files. */
import type { Test } from 'tap';
import { Cluster } from './cluster.ts';
import { temporaryDirectory } from './sidecar.ts';

/** Both go with the test. */
export function clusterOf(test: Test): {
  readonly cluster: Cluster;
  /** Readable by other uids. */
  readonly directory: { readonly path: string };
} {
  const cluster = new Cluster();
  test.teardown(() => cluster.close());
  const directory = temporaryDirectory();
  test.teardown(directory.remove);
  return { cluster, directory };
}
