/**
 * `sideroute bundle`: the data for a bug report in one tar.gz, without secrets.
 *
 * Stage before: the command line. Stage after: `make-bundle.ts`, which only this command loads. Exit status 0:
 * complete; 1: parts are missing, which the bundle lists, or there is no bundle.
 */
import { Option, type Command } from 'commander';
import { ProxyError } from '../errors.ts';
import { targetFlags } from './cluster-access.ts';
import { addressOption, adminOption, timeoutOption, type AdminAddress } from './options.ts';
import { podArgument, podNamespaceOption, podOptions, refuseWithoutPod } from './pod-admin.ts';

interface BundleOptions {
  readonly admin: AdminAddress;
  readonly metrics: AdminAddress;
  readonly timeout: number;
  readonly all?: boolean;
  readonly output?: string;
}

export function registerBundle(program: Command): void {
  const command = program
    .command('bundle')
    .description(
      'write everything that a bug report needs into one tar.gz, without secrets: about pods of a cluster, or about this pod',
    )
    .addArgument(podArgument())
    .option('--output <file>', 'file to write; - for standard output; default: a name with namespace, pod and time')
    .addOption(adminOption())
    .addOption(
      addressOption(
        new Option('--metrics <address>', 'address of the metrics and probes of the sidecar'),
        '127.0.0.1:15020',
      ),
    )
    .addOption(timeoutOption('2m'))
    .addOption(podNamespaceOption());
  for (const option of podOptions()) command.addOption(option);
  command.action(async (pod: string | undefined, options: BundleOptions) => {
    const { output = null, all = false, ...rest } = options;
    // --all without a pod means every pod of the namespace.
    if (pod === undefined && !all) refuseWithoutPod(command, false);
    if (output === '') throw new ProxyError('invalid-setting', '--output: name a file, or - for standard output');
    const { makeBundle } = await import('./make-bundle.ts');
    await makeBundle({ ...rest, pod: pod ?? null, all, output, target: targetFlags(command) });
  });
}
