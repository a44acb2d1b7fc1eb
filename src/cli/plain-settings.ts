/**
 * Reads the settings of a sidecar from a valid command line and environment, as every manifest has. Anything unusual is
 * left to commander, which reports errors and is loaded only then.
 *
 * Stage before: `main.ts`. Stage after: `proxy/proxy.ts`.
 */
import { hasParticular, particularValue } from '../config/setting-sources.ts';
import { PROXY_SETTINGS, type ProxySettings, type SettingDefinition } from '../config/settings.ts';
import { ProxyError } from '../errors.ts';

const BY_FLAG = new Map<string, SettingDefinition>(
  PROXY_SETTINGS.map((setting) => [setting.flag.replace(/ .*/, ''), setting]),
);

/** `args`: the arguments after the name of the command. Null when commander must parse them. */
export function plainSettings(args: readonly string[], env: NodeJS.ProcessEnv): ProxySettings | null {
  const given = new Map<SettingDefinition, unknown>();
  const settings: Record<string, unknown> = {};
  try {
    for (let index = 0; index < args.length; index++) {
      const [, flag, attached] = /^(--[a-z-]+)(?:=(.*))?$/s.exec(args[index]!) ?? [];
      const setting = BY_FLAG.get(flag ?? '');
      const value = attached ?? args[++index];
      // Optional arguments, and arguments that look like flags, have rules of their own.
      if (setting === undefined || value === undefined || value.startsWith('-') || value === '') return null;
      // Parsed even when a later flag replaces the value, except the text of a setting with two variables.
      given.set(setting, hasParticular(setting) ? value : setting.parse(value));
    }
    for (const setting of PROXY_SETTINGS) {
      const text = env[setting.env] ?? setting.fallback;
      if (hasParticular(setting)) {
        const flagText = (given.get(setting) as string | undefined) ?? null;
        settings[setting.key] = particularValue(setting, flagText, env);
      } else if (given.has(setting)) settings[setting.key] = given.get(setting);
      else settings[setting.key] = text === null ? null : setting.parse(text);
    }
  } catch (error) {
    if (error instanceof ProxyError) return null;
    throw error;
  }
  return settings as unknown as ProxySettings;
}
