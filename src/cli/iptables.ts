/**
 * `sideroute iptables print|apply|verify|cleanup`: installs or compares rules by flags and environment; prints text or
 * JSON.
 *
 * Results go to standard output, warnings and errors to standard error. Exit status: 0: done; 1: failed or different;
 * 2: invalid setting (nothing was checked).
 */
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { NativeBinding } from '../addon/binding.ts';
import { ProxyError } from '../errors.ts';
import { applyRules, type ApplyResult } from '../iptables/apply.ts';
import { BACKENDS, type BackendName } from '../iptables/backend.ts';
import { FAMILIES, type Family } from '../iptables/cidr.ts';
import { cleanUpRules } from '../iptables/cleanup.ts';
import { buildDocument, documentText } from '../iptables/document.ts';
import type { Ipv6Mode, PodFacts } from '../iptables/pod.ts';
import {
  DEFAULT_CAPTURE_PORT,
  DEFAULT_PROXY_UID,
  DEFAULT_SERVICE_CIDRS,
  parseInterceptionSettings,
  SETTING_NAMES,
  type InterceptionSettings,
} from '../iptables/settings.ts';
import { localSystem } from '../iptables/system.ts';
import { DEFAULT_TERMINATION_LOG, writeTerminationLog, type TerminationResult } from '../iptables/termination-log.ts';
import { verifyRules } from '../iptables/verify.ts';
import { outputOption, type OutputFormat } from './options.ts';
import { dataText, writeResult } from './output.ts';
import { writeNote, writeOutput } from './standard-streams.ts';

export const EXIT_FAILED = 1;
export const EXIT_SETTINGS = 2;

export interface IptablesDependencies {
  /** Loads the native addon for the connectivity check; may throw. Absent: no check. */
  readonly loadBinding?: () => NativeBinding;
}

interface SettingOptions {
  readonly proxyUid?: string;
  readonly capturePort?: string;
  readonly serviceCidrs?: string;
  readonly excludeOutboundCidrs?: string;
  readonly excludeOutboundPorts?: string;
  readonly metadataAddresses?: string;
  readonly apiServer?: string;
}

interface OutputOptions {
  readonly output: OutputFormat;
}

interface HostOptions extends OutputOptions {
  readonly backend: BackendName | 'auto';
  readonly wait: number;
}

interface PodOptions extends PodFacts {
  readonly ipv6: Ipv6Mode;
}

interface DryRunOptions {
  readonly dryRun: boolean;
}

type PrintOptions = SettingOptions & OutputOptions & { readonly family: Family | 'both' };
type VerifyOptions = SettingOptions & HostOptions & PodOptions;
type ApplyOptions = VerifyOptions &
  DryRunOptions & { readonly verifyConnectivity: 'auto' | 'off'; readonly terminationLog: string };
type CleanupOptions = HostOptions & DryRunOptions;

const FAMILY_TITLE: Readonly<Record<Family, string>> = { v4: 'IPv4', v6: 'IPv6' };

const SETTING_HELP =
  '\nLists are separated by commas and hold IPv4 and IPv6 entries together. An empty one of these settings counts as not set.';

export function registerIptables(program: Command, dependencies: IptablesDependencies = {}): void {
  const iptables = program
    .command('iptables')
    .description('the iptables rules that redirect outbound connections of a pod to the proxy')
    .addHelpText('after', '\nExit status: 0 done, 1 failed or different, 2 a setting is wrong.');

  add(iptables.command('print'), 'print the rules for these settings; does not read or change rules', [
    ...settingOptions(),
    new Option('--family <family>', 'which document to print')
      .choices([...FAMILIES, 'both'])
      .default('both')
      .env('SIDEROUTE_IPTABLES_FAMILY'),
    outputOption().env('SIDEROUTE_OUTPUT'),
  ]).action((options: PrintOptions) => guard(options, () => print(options)));

  add(iptables.command('apply'), 'install the rules and verify them, all or none; running it again changes nothing', [
    ...settingOptions(),
    ...hostOptions(),
    ...podOptions(),
    new Option('--verify-connectivity <when>', 'connect to the API server once, to check that connections are captured')
      .choices(['auto', 'off'])
      .default('auto')
      .env('SIDEROUTE_VERIFY_CONNECTIVITY'),
    new Option('--termination-log <path>', 'file for the result as JSON; the default is written only where it exists')
      .default(DEFAULT_TERMINATION_LOG)
      .env('SIDEROUTE_TERMINATION_LOG'),
    dryRunOption('check and show what would be applied, and change nothing'),
    outputOption().env('SIDEROUTE_OUTPUT'),
  ]).action((options: ApplyOptions, command: Command) => {
    const created = command.getOptionValueSource('terminationLog') !== 'default';
    const report = (result: TerminationResult) => writeTerminationLog(options.terminationLog, result, created);
    return guard(options, () => apply(options, dependencies, report), options.dryRun ? undefined : report);
  });

  add(iptables.command('verify'), 'compare the installed rules with these settings; changes nothing', [
    ...settingOptions(),
    ...hostOptions(),
    ...podOptions(),
    outputOption().env('SIDEROUTE_OUTPUT'),
  ]).action((options: VerifyOptions) => guard(options, () => verify(options)));

  add(
    iptables.command('cleanup'),
    'remove all rules of sideroute, and no others; closes connections that are captured',
    [
      ...hostOptions(),
      dryRunOption('show what would be removed, and change nothing'),
      outputOption().env('SIDEROUTE_OUTPUT'),
    ],
    '',
  ).action((options: CleanupOptions) => guard(options, () => cleanUp(options)));
}

function print(options: PrintOptions): void {
  const { settings, warnings } = readSettings(options);
  const families = options.family === 'both' ? FAMILIES : [options.family];
  const documents = families.map((family) => {
    const document = buildDocument(settings, family);
    return { family, text: document === null ? null : documentText(document) };
  });
  if (options.output === 'table') warn(warnings);
  const texts = Object.fromEntries(documents.map(({ family, text }) => [family, text]));
  writeResult(options.output, { documents: texts, warnings }, () => documents.map(restoreText).join(''));
}

function restoreText({ family, text }: { readonly family: Family; readonly text: string | null }): string {
  return text === null
    ? `# ${FAMILY_TITLE[family]}: no Service network, so no rules\n`
    : `# ${FAMILY_TITLE[family]}, for ${family === 'v4' ? 'iptables' : 'ip6tables'}-restore --noflush\n${text}`;
}

async function apply(
  options: ApplyOptions,
  dependencies: IptablesDependencies,
  report: (result: TerminationResult) => void,
): Promise<void> {
  const { settings, warnings } = readSettings(options);
  const binding = loadBinding(options, dependencies);
  const result = await applyRules(localSystem(), {
    settings,
    backend: forced(options),
    ipv6: options.ipv6,
    pod: options,
    waitSeconds: options.wait,
    dryRun: options.dryRun,
    binding: binding.loaded,
  });
  const all = [...warnings, ...binding.warnings, ...result.warnings];
  const { documents, ...summary } = result;
  if (!options.dryRun) report({ result: 'ok', ...summary, warnings: all });
  if (options.output === 'table') warn(all);
  const shown = options.dryRun ? FAMILIES.filter((family) => documents[family] !== null) : [];
  writeResult(options.output, { result: 'ok', dryRun: options.dryRun, ...result, warnings: all }, () =>
    [
      applyText(result, options.dryRun),
      ...shown.map((family) => `# ${FAMILY_TITLE[family]}\n${documents[family]}`),
    ].join(''),
  );
}

function applyText(result: ApplyResult, dryRun: boolean): string {
  const would = dryRun ? 'dry run, would be ' : '';
  const state = (family: Family) => {
    const outcome = result.families[family];
    if (outcome === 'skipped') return outcome;
    if (outcome === 'none') return 'no Service network, so no rules';
    return outcome === 'unchanged' ? 'in place already' : would + outcome;
  };
  return [
    `backend: ${result.backend} (${result.backendWhy})`,
    `IPv4: ${state('v4')}`,
    `IPv6: ${state('v6')} (${result.ipv6Why})`,
    `connectivity: ${result.connectivity} (${result.connectivityWhy})`,
    '',
  ].join('\n');
}

async function verify(options: VerifyOptions): Promise<void> {
  const { settings, warnings } = readSettings(options);
  const result = await verifyRules(localSystem(), {
    settings,
    backend: forced(options),
    ipv6: options.ipv6,
    pod: options,
    waitSeconds: options.wait,
  });
  const same = result.drift.length === 0;
  if (!same) process.exitCode = EXIT_FAILED;
  if (options.output === 'table') warn(warnings);
  writeResult(options.output, { result: same ? 'ok' : 'different', ...result, warnings }, () => {
    const compared = result.families.map((family) => FAMILY_TITLE[family]).join(' and ');
    return [
      `backend: ${result.backend}; compared: ${compared} (${result.ipv6Why})`,
      ...result.drift.map(({ family, kind, message }) => `${FAMILY_TITLE[family]}: ${kind}: ${message}`),
      same ? 'The rules are as they should be.' : `${result.drift.length} differences.`,
      '',
    ].join('\n');
  });
}

async function cleanUp(options: CleanupOptions): Promise<void> {
  const steps = await cleanUpRules(localSystem(), {
    backend: forced(options),
    waitSeconds: options.wait,
    dryRun: options.dryRun,
  });
  writeResult(options.output, { result: 'ok', dryRun: options.dryRun, removed: steps }, () => {
    if (steps.length === 0) return 'There are no rules of sideroute.\n';
    const lines = steps.map(({ backend, family, document }) =>
      options.dryRun
        ? `# ${FAMILY_TITLE[family]}, ${backend}: would be removed\n${document}`
        : `${FAMILY_TITLE[family]}: removed (${backend})\n`,
    );
    return lines.join('');
  });
}

/**
 * Turns a ProxyError into the exit status, a message and, if requested, a termination message. Other errors are bugs
 * and are passed on.
 */
async function guard(
  options: OutputOptions,
  action: () => Promise<void> | void,
  report?: (result: TerminationResult) => void,
): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error;
    const failure = { result: 'error', code: error.code, message: error.message } as const;
    process.exitCode = error.code === 'iptables-settings' ? EXIT_SETTINGS : EXIT_FAILED;
    report?.(failure);
    if (options.output === 'table') writeNote(`error: ${error.message}\n`);
    else writeOutput(dataText(options.output, failure));
  }
}

function readSettings(options: SettingOptions): { settings: InterceptionSettings; warnings: readonly string[] } {
  return parseInterceptionSettings({
    ...options,
    kubernetesServiceHost: process.env['KUBERNETES_SERVICE_HOST'],
    kubernetesServicePort: process.env['KUBERNETES_SERVICE_PORT'],
  });
}

function loadBinding(
  options: ApplyOptions,
  dependencies: IptablesDependencies,
): { loaded: NativeBinding | null; warnings: readonly string[] } {
  if (options.verifyConnectivity === 'off' || dependencies.loadBinding === undefined)
    return { loaded: null, warnings: [] };
  try {
    return { loaded: dependencies.loadBinding(), warnings: [] };
  } catch (error) {
    return {
      loaded: null,
      warnings: [`The native addon cannot be loaded, so connectivity is not checked: ${(error as Error).message}`],
    };
  }
}

function forced(options: HostOptions): BackendName | null {
  return options.backend === 'auto' ? null : options.backend;
}

function add(command: Command, description: string, options: readonly Option[], help = SETTING_HELP): Command {
  command.description(description);
  for (const option of options) command.addOption(option);
  return help === '' ? command : command.addHelpText('after', help);
}

function settingOptions(): Option[] {
  const setting = (key: keyof typeof SETTING_NAMES, argument: string, description: string) =>
    new Option(`${SETTING_NAMES[key].flag} <${argument}>`, description).env(SETTING_NAMES[key].env);
  return [
    setting(
      'serviceCidrs',
      'cidrs',
      `Service networks to capture (default: everything, ${DEFAULT_SERVICE_CIDRS}, with a warning)`,
    ),
    setting('excludeOutboundCidrs', 'cidrs', 'networks never to capture'),
    setting('excludeOutboundPorts', 'ports', 'destination ports never to capture, such as 5432,9000-9010; 53 never is'),
    setting('metadataAddresses', 'cidrs', 'metadata services outside the link-local range, such as 168.63.129.16'),
    setting(
      'apiServer',
      'address:port',
      'API server, never captured; "none" for no exclusion (default: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT)',
    ),
    setting(
      'proxyUid',
      'uid',
      `user the proxy runs as, whose connections are never captured (default: ${DEFAULT_PROXY_UID})`,
    ),
    setting('capturePort', 'port', `loopback port the proxy listens on (default: ${DEFAULT_CAPTURE_PORT})`),
  ];
}

function hostOptions(): Option[] {
  return [
    new Option('--backend <name>', 'iptables backend; auto takes the one in use, else the first that can be written to')
      .choices(['auto', ...BACKENDS])
      .default('auto')
      .env('SIDEROUTE_IPTABLES_BACKEND'),
    new Option('--wait <seconds>', 'seconds to wait for other programs that change rules')
      .argParser(parseSeconds)
      .default(10)
      .env('SIDEROUTE_IPTABLES_WAIT'),
  ];
}

function podOptions(): Option[] {
  return [
    new Option('--ipv6 <mode>', 'IPv6 rules; auto: when the pod has an IPv6 address')
      .choices(['auto', 'on', 'off'])
      .default('auto')
      .env('SIDEROUTE_IPV6'),
    new Option('--pod-ip <address>', 'status.podIP; equal to --host-ip (hostNetwork) is refused').env('POD_IP'),
    new Option('--pod-ips <addresses>', 'status.podIPs; without an IPv6 one, IPv6 is skipped').env('POD_IPS'),
    new Option('--host-ip <address>', 'status.hostIP').env('HOST_IP'),
  ];
}

function dryRunOption(description: string): Option {
  return new Option('--dry-run [boolean]', description)
    .preset('true')
    .argParser(parseBoolean)
    .default(false)
    .env('SIDEROUTE_DRY_RUN');
}

function parseBoolean(text: string): boolean {
  if (text === 'true' || text === '1') return true;
  if (text === 'false' || text === '0' || text === '') return false;
  throw new InvalidArgumentError('It must be true or false.');
}

function parseSeconds(text: string): number {
  if (!/^\d{1,3}$/.test(text) || Number(text) > 600 || Number(text) < 1) {
    throw new InvalidArgumentError('It must be a whole number of seconds from 1 to 600.');
  }
  return Number(text);
}

function warn(warnings: readonly string[]): void {
  for (const warning of warnings) writeNote(`warning: ${warning}\n`);
}
