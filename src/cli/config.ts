/** `sideroute config`: the whole configuration in force in a running sidecar, as its private endpoint returns it. */
import type { Command } from 'commander';
import { askAdmin } from './admin-client.ts';
import { adminOption, outputOption, type AdminAddress, type OutputFormat } from './options.ts';
import { dataText } from './output.ts';
import { askPods, podArgument, podNamespaceOption, podOptions } from './pod-admin.ts';

interface ConfigOptions {
  readonly admin: AdminAddress;
  readonly output: OutputFormat;
  readonly all?: boolean;
}

export function registerConfig(program: Command): void {
  const command = program
    .command('config')
    .description(
      'print the configuration in force in a running sidecar as JSON: files, problems, conditions, frontends',
    )
    .addArgument(podArgument())
    .addOption(adminOption())
    .addOption(outputOption().default('json'))
    .addOption(podNamespaceOption());
  for (const option of podOptions()) command.addOption(option);
  command.action(async (pod: string | undefined, options: ConfigOptions) => {
    await askPods(command, pod, options, {
      ask: (admin) => askAdmin(admin, '/config'),
      // There is no table form, so the JSON is printed.
      text: (config) => dataText('json', config),
    });
  });
}
