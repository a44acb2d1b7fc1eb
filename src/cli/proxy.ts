/** `sideroute proxy`: the sidecar itself. Turns flags and environment into a running proxy. */
import { Option, type Command } from 'commander';
import { hasParticular, particularValue, type ParticularSetting } from '../config/setting-sources.ts';
import { PROXY_SETTINGS, type ProxySettings } from '../config/settings.ts';
import { ProxyError } from '../errors.ts';
import { argument } from './options.ts';
import { startProxy } from './start-proxy.ts';

/** Returns the program. */
export function registerProxy(program: Command): Command {
  const command = program
    .command('proxy')
    .description('run the sidecar: accept redirected connections, route HTTP requests, tunnel everything else');
  for (const setting of PROXY_SETTINGS) {
    const option = new Option(setting.flag, setting.description).env(setting.env);
    // Otherwise the text stays as it is until readParticular. The errors of commander would repeat it.
    if (!hasParticular(setting)) option.argParser(argument(setting.parse));
    option.attributeName = () => setting.key;
    if (setting.fallback !== null) option.default(setting.parse(setting.fallback), setting.fallback);
    // A flag with an optional argument means true without it.
    if (option.optional) option.preset('true');
    command.addOption(option);
    // As a default of the option, help would show it.
    if (setting.fallback === null) command.setOptionValueWithSource(setting.key, null, 'default');
  }
  command.hook('preAction', () => {
    for (const setting of PROXY_SETTINGS.filter(hasParticular)) readParticular(command, setting, process.env);
  });
  command.action((settings: ProxySettings) => startProxy(settings));
  return program;
}

/** Replaces the text that commander has, which knows one variable of two. */
function readParticular(command: Command, setting: ParticularSetting, env: NodeJS.ProcessEnv): void {
  const { key } = setting;
  const flagText = command.getOptionValueSource(key) === 'cli' ? (command.getOptionValue(key) as string) : null;
  try {
    const source = flagText === null ? 'env' : 'cli';
    command.setOptionValueWithSource(key, particularValue(setting, flagText, env), source);
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error;
    command.error(`error: ${error.message}`);
  }
}
