/**
 * `sideroute policy`: prints the admission policies that inject pods by the label of their namespace, for `kubectl
 * apply`.
 *
 * Stage after: the API server. The kustomize base and the Helm chart contain them with the defaults.
 */
import { Option, type Command } from 'commander';
import { unexpected } from '../errors.ts';
import { SETTING_KEYS } from '../inject/annotations.ts';
import { POLICY_VERSIONS, policyObjects, type PolicyVersion } from '../inject/policy/policy.ts';
import { fieldLines } from '../inject/written-yaml.ts';
import { givenSettings, settingOption, type SettingOptions } from './inject.ts';
import { argument } from './options.ts';
import { writeOutput } from './standard-streams.ts';

type PolicyCommandOptions = SettingOptions & {
  readonly apiVersion: PolicyVersion;
  readonly controllerNamespace: string;
};

export const CONTROLLER_NAMESPACE = 'sideroute-system';

export function registerPolicy(program: Command, version: string): void {
  const policy = program
    .command('policy')
    .description('print the admission policies that inject pods in namespaces with the label sideroute.dev/injection')
    .addOption(
      new Option('--api-version <version>', 'v1: Kubernetes 1.36 or later; v1beta1: from 1.34, where it is turned on')
        .choices(POLICY_VERSIONS)
        .default('v1'),
    )
    .option(
      '--controller-namespace <name>',
      'namespace of the controller, which is never injected',
      argument(namespaceName),
      CONTROLLER_NAMESPACE,
    );
  // A policy supports only one mode.
  for (const key of SETTING_KEYS.filter((name) => name !== 'mode')) policy.addOption(settingOption(key));
  policy
    .addHelpText('after', '\nAn annotation sideroute.dev/NAME of the pod wins over the flag --NAME.')
    .action((options: PolicyCommandOptions) => {
      const settings = { ...givenSettings(options, version), mode: 'native' };
      writeOutput(
        policyText({ version, settings, apiVersion: options.apiVersion, namespace: options.controllerNamespace }),
      );
    });
}

/** YAML of all objects. */
export function policyText(options: Parameters<typeof policyObjects>[0]): string {
  return policyObjects(options)
    .map((object) => `${fieldLines(object, 0).join('\n')}\n`)
    .join('---\n');
}

function namespaceName(text: string): string {
  if (/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text)) return text;
  throw unexpected(text, 'a namespace name');
}
