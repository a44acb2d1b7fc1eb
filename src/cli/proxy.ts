/** `sideroute proxy`: the sidecar itself. Turns flags and environment into a running proxy. */
import { Option, type Command } from 'commander';
import { PROXY_SETTINGS, type ProxySettings, type SettingDefinition } from '../config/settings.ts';
import { ProxyError } from '../errors.ts';
import { argument } from './options.ts';
import { startProxy } from './start-proxy.ts';

/** Returns the program. */
export function registerProxy(program: Command): Command {
  const command = program
    .command('proxy')
    .description('run the sidecar: accept redirected connections, route HTTP requests, tunnel everything else');
  for (const setting of PROXY_SETTINGS) {
    const option = new Option(setting.flag, setting.description).env(setting.env).argParser(argument(setting.parse));
    option.attributeName = () => setting.key;
    option.default(setting.fallback === null ? null : setting.parse(setting.fallback), setting.fallback ?? undefined);
    // A flag with an optional argument means true without it.
    if (option.optional) option.preset('true');
    command.addOption(option);
  }
  command.hook('preAction', () => {
    for (const setting of PROXY_SETTINGS) readParticular(command, setting, process.env);
  });
  command.action((settings: ProxySettings) => startProxy(settings));
  return program;
}

/** The variable that goes before that of the option: of two, commander knows one. */
function readParticular(command: Command, { key, particular }: SettingDefinition, env: NodeJS.ProcessEnv): void {
  const text = env[particular?.env ?? ''] ?? '';
  if (particular === undefined || text === '' || command.getOptionValueSource(key) === 'cli') return;
  try {
    command.setOptionValueWithSource(key, particular.parse(text), 'env');
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error;
    command.error(`error: environment variable ${particular.env} is invalid. ${error.message}`);
  }
}
