/**
 * Checks of what annotations and flags say, for the table of settings. Each throws a ProxyError that says what is wrong.
 *
 * Stage after: `annotations.ts`.
 */
import { PROXY_SETTINGS, type ProxySettings } from '../config/settings.ts';
import { ProxyError, unexpected } from '../errors.ts';
import { parseInterceptionSettings, settingName, type InterceptionTexts } from '../iptables/settings.ts';

export const IMAGE_REFERENCE = /^[A-Za-z0-9][\w.:/@-]{0,510}$/;
/** The names of Secrets have the same form. */
export const CONFIG_MAP_NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

export function oneOf(allowed: readonly string[]): (text: string) => void {
  return (text) => {
    if (!allowed.includes(text)) throw unexpected(text, `one of ${allowed.join(', ')}`);
  };
}

export function imageReference(text: string): void {
  if (!IMAGE_REFERENCE.test(text)) {
    throw unexpected(text, 'an image reference such as registry.example/sideroute:1.0');
  }
}

/** Each number has only one spelling, because the user of the sidecar is recognised by comparing texts. */
export const USER_ID = /^[1-9][0-9]{0,9}$/;

export function userId(text: string): void {
  interception('proxyUid')(text);
  if (!USER_ID.test(text)) throw unexpected(text, 'a numeric user id without leading zeros');
}

export function objectName(kind: string): (text: string) => void {
  return (text) => {
    if (!CONFIG_MAP_NAME.test(text)) throw unexpected(text, `the name of ${kind}`);
  };
}

export function configMapNames(text: string): void {
  const names = splitNames(text);
  for (const name of names) {
    if (!CONFIG_MAP_NAME.test(name)) throw unexpected(name, 'the name of a ConfigMap');
  }
  if (names.length === 0) throw unexpected(text, 'one or more names of ConfigMaps');
  if (new Set(names).size < names.length) throw unexpected(text, 'every ConfigMap once');
}

/** The entries of a list separated by commas or white space. */
export function splitNames(text: string): string[] {
  return text.split(/[\s,]+/).filter((name) => name !== '');
}

/** The check of the program that will read the value, without the name of its own flag in the message. */
export function interception(key: Exclude<keyof InterceptionTexts, `kubernetes${string}`>): (text: string) => void {
  return (text) => {
    if (text === '') throw unexpected(text, 'a value: leave the annotation out');
    try {
      parseInterceptionSettings({ [key]: text });
    } catch (error) {
      if (!(error instanceof ProxyError)) throw error;
      throw new ProxyError('invalid-setting', error.message.replaceAll(`${settingName(key)}: `, ''));
    }
  };
}

export function proxySetting(key: keyof ProxySettings): (text: string) => void {
  return (text) => void PROXY_SETTINGS.find((setting) => setting.key === key)?.parse(text);
}
