/**
 * The settings of pods without annotations, by annotation name: from the policy, or from the flags and variables of the
 * controller with the webhook.
 *
 * Used by `checks/`. Empty when they cannot be read.
 */
import { DEFAULTS_VARIABLE } from '../inject/policy/settings.ts';
import { isObject, listOf, objectOf, textOf } from '../kube/json.ts';
import type { ClusterView } from './view.ts';

export const INJECTION_NAME = 'sideroute-injection';
const ENV_PREFIX = 'SIDEROUTE_INJECT_';
const FLAG_PREFIX = '--inject-';

export function injectionDefaults(view: ClusterView): ReadonlyMap<string, string> {
  return view.once('injection defaults', () => {
    const policy = view.find('mutatingPolicies', null, INJECTION_NAME);
    return policy === null ? ofController(view) : ofPolicy(policy);
  });
}

function ofPolicy(policy: object): Map<string, string> {
  const variables = listOf(objectOf(policy, 'spec'), 'variables');
  const text = textOf(
    variables.find((each) => textOf(each, 'name') === DEFAULTS_VARIABLE),
    'expression',
  );
  try {
    const value: unknown = JSON.parse(text ?? '{}');
    const entries = Object.entries(isObject(value) ? value : {});
    return new Map(entries.flatMap(([name, each]) => (typeof each === 'string' ? [[name, each] as const] : [])));
  } catch {
    return new Map();
  }
}

function ofController({ controller }: ClusterView): Map<string, string> {
  const [container] = listOf(objectOf(objectOf(objectOf(controller, 'spec'), 'template'), 'spec'), 'containers');
  const found = new Map<string, string>();
  for (const variable of listOf(container, 'env')) {
    const [name, value] = [textOf(variable, 'name') ?? '', textOf(variable, 'value')];
    if (!name.startsWith(ENV_PREFIX) || value === null) continue;
    found.set(name.slice(ENV_PREFIX.length).toLowerCase().replaceAll('_', '-'), value);
  }
  const words = ['command', 'args'].flatMap((field): unknown[] => {
    const list: unknown = container?.[field];
    return Array.isArray(list) ? list : [];
  });
  for (const [index, word] of words.entries()) {
    if (typeof word !== 'string' || !word.startsWith(FLAG_PREFIX)) continue;
    const [flag = '', ...rest] = word.slice(FLAG_PREFIX.length).split('=');
    const value = rest.length > 0 ? rest.join('=') : words[index + 1];
    if (typeof value === 'string') found.set(flag, value);
  }
  return found;
}
