/**
 * `sideroute check --cluster`: finds problems of a cluster that keep routes from being followed, with a remedy for
 * each.
 *
 * Used by `check.ts`. Exit status 0: no errors; 1: an error, something that could not be checked, or with --strict a
 * warning.
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
  /** True for a cluster in which sideroute is not installed yet. */
  readonly before: boolean;
  readonly strict: boolean;
  readonly output: OutputFormat;
}

export async function checkCluster({ target, before, strict, output }: CheckClusterOptions): Promise<void> {
  const { client } = await openCluster(target);
  try {
    // The namespace of the context is not used: without a flag the whole cluster is checked.
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
