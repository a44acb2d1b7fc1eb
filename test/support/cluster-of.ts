/** The start of most end-to-end tests: a cluster for pods, and a directory for files. */
import type { Test } from 'tap';
import { Cluster } from './cluster.ts';
import { temporaryDirectory } from './sidecar.ts';

/** Both are removed with the test. */
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
