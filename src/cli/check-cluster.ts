/**
 * `sideroute check --cluster`: what is wrong in a cluster that keeps routes from being followed, and how it is mended.
 *
 * Used by `check.ts`. Exit status 0: nothing was found, or warnings alone; 1: an error, something that could not be looked at, and with
 * --strict a warning.
 */
import { gather } from '../cluster-check/gather.ts';
import { reportData, reportText } from '../cluster-check/report.ts';
import { runChecks } from '../cluster-check/run.ts';
import type { TargetFlags } from '../kube/kubeconfig.ts';
import { packageVersion } from '../package-root.ts';
import { openCluster } from './cluster-access.ts';
import { paintCheck } from './colors.ts';
import type { OutputFormat } from './options.ts';
import { writeResult } from './output.ts';

export interface CheckClusterOptions {
  readonly target: TargetFlags;
  /** Whether sideroute is not installed yet. */
  readonly before: boolean;
  readonly strict: boolean;
  readonly output: OutputFormat;
}

export async function checkCluster({ target, before, strict, output }: CheckClusterOptions): Promise<void> {
  const { client } = await openCluster(target);
  try {
    // Not the namespace of the context: who gives none means the cluster.
    const namespace = target.namespace ?? null;
    const snapshot = await gather({ client, namespace, clientVersion: packageVersion() });
    const reports = runChecks(snapshot, before);
    writeResult(output, reportData(reports, snapshot), () => reportText(reports, paintCheck));
    const failing = strict ? ['error', 'unknown', 'warning'] : ['error', 'unknown'];
    if (reports.some(({ result }) => failing.includes(result))) process.exitCode = 1;
  } finally {
    client.close();
  }
}
