/**
 * The value of a setting that has two variables: from its flag, else from the particular variable, else from the other
 * one. Only the text that is used is parsed. The value may be a secret by mistake, so an error names where it comes
 * from and does not repeat it.
 *
 * Stage before: `cli/plain-settings.ts` or `cli/proxy.ts`, which hand over the flag as it was typed.
 */
import { ProxyError } from '../errors.ts';
import type { SettingDefinition } from './settings.ts';

/** A setting that has a particular variable. */
export type ParticularSetting = SettingDefinition & Required<Pick<SettingDefinition, 'particular'>>;

export function hasParticular(setting: SettingDefinition): setting is ParticularSetting {
  return setting.particular !== undefined;
}

/** `flagText`: null when there is no flag. @throws ProxyError that names the flag or the variable */
export function particularValue(
  { flag, env, particular, fallback, parse }: ParticularSetting,
  flagText: string | null,
  variables: NodeJS.ProcessEnv,
): unknown {
  if (flagText !== null) return parsed(`option '${flag}'`, parse, flagText);
  const particularText = variables[particular.env] ?? '';
  if (particularText !== '') return parsed(`environment variable ${particular.env}`, particular.parse, particularText);
  const text = variables[env] ?? fallback;
  return text === null ? null : parsed(`environment variable ${env}`, parse, text);
}

function parsed(source: string, parse: (text: string) => unknown, text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error;
    throw new ProxyError('invalid-setting', `${source} is invalid. ${error.message}`);
  }
}
