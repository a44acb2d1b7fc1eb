/** `sideroute log-level`: what a running sidecar logs, and a change of it that ends by itself. */
import { Argument, Option, type Command } from 'commander';
import { ACCESS_LOG_MODES } from '../addon/access-log.ts';
import { LOG_LEVELS } from '../log.ts';
import { askAdmin, isObject, textOf, type Json } from './admin-client.ts';
import { adminOption, outputOption, type AdminAddress, type OutputFormat } from './options.ts';
import { writeResult } from './output.ts';

interface LogLevelOptions {
  readonly admin: AdminAddress;
  readonly accessLog?: string;
  readonly ttl?: string;
  readonly output: OutputFormat;
}

export function registerLogLevel(program: Command): void {
  program
    .command('log-level')
    .description('show what a running sidecar logs, or change it for a while')
    .addArgument(new Argument('[level]', 'the level from now on; the configured one ends a change').choices(LOG_LEVELS))
    .addOption(new Option('--access-log <mode>', 'which requests get a line').choices(ACCESS_LOG_MODES))
    .addOption(new Option('--ttl <duration>', 'how long it holds, from 1s to 24h; 10m when not said'))
    .addOption(adminOption())
    .addOption(outputOption())
    .action(async (level: string | undefined, options: LogLevelOptions, command: Command) => {
      const { admin, accessLog, ttl, output } = options;
      const changes = {
        ...(level === undefined ? {} : { level }),
        ...(accessLog === undefined ? {} : { 'access-log': accessLog }),
      };
      const asks = Object.keys(changes).length === 0;
      if (asks && ttl !== undefined) command.error('error: --ttl needs a level or --access-log', { exitCode: 2 });
      const query = new URLSearchParams({ ...changes, ...(ttl === undefined ? {} : { ttl }) });
      const settings = asks
        ? await askAdmin(admin, '/log-level')
        : await askAdmin(admin, `/log-level?${query.toString()}`, 'PUT');
      writeResult(output, settings, () => humanText(settings));
    });
}

/** `level: debug for 10m, then info`, a line for each setting there is. */
function humanText(settings: Json): string {
  return Object.entries(settings)
    .map(([name, setting]) => {
      const { value, configured, remaining } = isObject(setting) ? setting : {};
      const change = textOf(remaining) === '' ? '' : ` for ${textOf(remaining)}, then ${textOf(configured)}`;
      return `${name}: ${textOf(value) || '?'}${change}\n`;
    })
    .join('');
}
