/** `sideroute log-level`: shows the log level of a running sidecar, and changes it temporarily. */
import { Argument, Option, type Command } from 'commander';
import { ACCESS_LOG_MODES } from '../addon/access-log.ts';
import { LOG_LEVELS } from '../log.ts';
import { askAdmin, isObject, textOf, type Json } from './admin-client.ts';
import { adminOption, outputOption, type AdminAddress, type OutputFormat } from './options.ts';
import { askPods, namesCluster, podArgument, podNamespaceOption, podOptions } from './pod-admin.ts';

interface LogLevelOptions {
  readonly admin: AdminAddress;
  readonly accessLog?: string;
  readonly ttl?: string;
  readonly output: OutputFormat;
}

export function registerLogLevel(program: Command): void {
  const command = program
    .command('log-level')
    .description('show the log level of a running sidecar, or change it for a limited time')
    .addArgument(podArgument())
    .addArgument(
      new Argument('[level]', 'the new level; the configured level ends an earlier change').choices(LOG_LEVELS),
    )
    .addOption(
      new Option('--access-log <mode>', 'which requests are written to the access log').choices(ACCESS_LOG_MODES),
    )
    .addOption(new Option('--ttl <duration>', 'how long the change lasts, from 1s to 24h; default: 10m'))
    .addOption(adminOption())
    .addOption(outputOption())
    .addOption(podNamespaceOption());
  for (const option of podOptions()) command.addOption(option);
  command.action(async (first: string | undefined, second: string | undefined, options: LogLevelOptions) => {
    const isLevel = (LOG_LEVELS as readonly (string | undefined)[]).includes(first);
    // Without a cluster flag, and without a form that only a pod can have, this is a mistyped level.
    if (first !== undefined && second === undefined && !isLevel && !first.includes('/') && !namesCluster(command)) {
      const known = LOG_LEVELS.join(', ');
      const message = `error: command-argument value '${first}' is invalid for argument 'level'. Allowed choices are ${known}.`;
      command.error(`${message} A pod is pod/${first}.`, { exitCode: 2 });
    }
    // A single word that is a level is taken as the level. A pod of that name is written pod/NAME.
    const alone = second === undefined && isLevel;
    const [pod, level] = alone ? [undefined, first] : [first, second];
    const { accessLog, ttl } = options;
    const changes = {
      ...(level === undefined ? {} : { level }),
      ...(accessLog === undefined ? {} : { 'access-log': accessLog }),
    };
    const asks = Object.keys(changes).length === 0;
    if (asks && ttl !== undefined) command.error('error: --ttl needs a level or --access-log', { exitCode: 2 });
    const query = new URLSearchParams({ ...changes, ...(ttl === undefined ? {} : { ttl }) });
    await askPods(command, pod, options, {
      ask: (admin) => (asks ? askAdmin(admin, '/log-level') : askAdmin(admin, `/log-level?${query.toString()}`, 'PUT')),
      text: humanText,
    });
  });
}

/** `level: debug for 10m, then info`, one line for each setting. */
function humanText(settings: Json): string {
  return Object.entries(settings)
    .map(([name, setting]) => {
      const { value, configured, remaining } = isObject(setting) ? setting : {};
      const change = textOf(remaining) === '' ? '' : ` for ${textOf(remaining)}, then ${textOf(configured)}`;
      return `${name}: ${textOf(value) || '?'}${change}\n`;
    })
    .join('');
}
