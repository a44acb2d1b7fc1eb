/**
 * `sideroute controller`: writes the routes of the cluster to ConfigMaps for sidecars, and the status of the routes.
 * Turns flags into a running controller.
 */
import { hostname } from 'node:os';
import { Option, type Command } from 'commander';
import type { ListenAddress } from '../addon/binding.ts';
import { mountedNamespace } from '../config/pod-namespace.ts';
import { durationText, integer, listenAddresses, oneOf } from '../config/settings.ts';
import { CONTROLLER_NAME, type ControllerSettings } from '../controller/settings.ts';
import { ProxyError, unexpected } from '../errors.ts';
import { SETTING_KEYS, type InjectSettings } from '../inject/annotations.ts';
import { LOG_LEVELS, type LogLevel } from '../log.ts';
import { givenSettings, settingOption } from './inject.ts';
import { argument } from './options.ts';

interface ControllerFlags {
  readonly kubeconfig?: string;
  readonly controllerName: string;
  readonly metrics: readonly ListenAddress[];
  readonly nudge: 'on' | 'off';
  readonly nudgeRate: number;
  readonly servedPort: number;
  readonly cleanupAfter: number;
  readonly leaderElection: 'on' | 'off';
  readonly leaseName: string;
  readonly leaseNamespace?: string;
  readonly identity?: string;
  readonly leaseDuration: number;
  readonly renewDeadline: number;
  readonly retryPeriod: number;
  readonly logLevel: LogLevel;
  readonly webhookPort?: number;
}

/** Prefix of the flags for what the webhook adds to pods. */
const INJECT_PREFIX = 'inject-';

export function registerController(program: Command, version: string): void {
  const command = program
    .command('controller')
    .description(
      'run the controller: write the routes that sidecars need into ConfigMaps of their namespaces, and status to the routes',
    );
  const add = (
    flags: string,
    env: string | null,
    fallback: string | null,
    text: string,
    parse: (text: string) => unknown,
  ) => {
    const option = new Option(flags, text).argParser(argument(parse));
    if (env !== null) option.env(env);
    if (fallback !== null) option.default(parse(fallback), fallback);
    command.addOption(option);
  };
  const name = (text: string): string =>
    matching(text, /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/, 'a name of Kubernetes');
  const plain = (text: string): string => matching(text, /./s, 'some text');
  add('--kubeconfig <file>', 'KUBECONFIG', null, 'how to reach the API server; default: as the pod it runs in', plain);
  add(
    ...(['--controller-name <name>', 'SIDEROUTE_CONTROLLER_NAME', CONTROLLER_NAME] as const),
    'controllerName of its entries in the status of routes',
    (text) => matching(text, /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?\/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/, 'DOMAIN/PATH'),
  );
  add(
    ...(['--metrics <addresses>', 'SIDEROUTE_METRICS', '0.0.0.0:15020'] as const),
    'addresses of the read-only endpoint: /metrics, /livez, /readyz, /startupz',
    listenAddresses,
  );
  add(
    ...(['--nudge <mode>', 'SIDEROUTE_NUDGE', 'on'] as const),
    'make kubelets refresh volumes at once, by an annotation on the pod; off: they do it every minute or so',
    oneOf(['on', 'off'] as const),
  );
  add('--nudge-rate <n>', 'SIDEROUTE_NUDGE_RATE', '100', 'nudges, and checks of pods, per second', integer(1, 10_000));
  add(
    ...(['--served-port <port>', 'SIDEROUTE_SERVED_PORT', '15020'] as const),
    'port on which sidecars answer what they serve',
    integer(1, 65_535),
  );
  add(
    ...(['--cleanup-after <duration>', 'SIDEROUTE_CLEANUP_AFTER', '10m'] as const),
    'how long the ConfigMaps of a namespace without sidecars stay',
    durationText,
  );
  add(
    ...(['--leader-election <mode>', 'SIDEROUTE_LEADER_ELECTION', 'on'] as const),
    'off: for a single replica',
    oneOf(['on', 'off'] as const),
  );
  add('--lease-name <name>', 'SIDEROUTE_LEASE_NAME', 'sideroute-controller', 'Lease that the leader holds', name);
  add(
    ...(['--lease-namespace <name>', 'POD_NAMESPACE', null] as const),
    'namespace of the Lease; default: that of the service account',
    name,
  );
  add(
    '--identity <name>',
    'POD_NAME',
    null,
    'name of this replica in the Lease; default: name of the machine and process',
    plain,
  );
  add(
    ...(['--lease-duration <duration>', 'SIDEROUTE_LEASE_DURATION', '15s'] as const),
    'how long the others wait for a leader that does not renew the Lease',
    durationText,
  );
  add(
    ...(['--renew-deadline <duration>', 'SIDEROUTE_RENEW_DEADLINE', '10s'] as const),
    'a leader that cannot renew the Lease for this time stops leading; less than the duration of the Lease',
    durationText,
  );
  add(
    ...(['--retry-period <duration>', 'SIDEROUTE_RETRY_PERIOD', '2s'] as const),
    'how often the leader renews the Lease, and the others try to get it',
    durationText,
  );
  add('--log-level <level>', 'SIDEROUTE_LOG_LEVEL', 'info', `one of ${LOG_LEVELS.join(', ')}`, oneOf(LOG_LEVELS));
  add(
    ...(['--webhook-port <port>', 'SIDEROUTE_WEBHOOK_PORT', null] as const),
    'inject pods that the API server sends to this port; default: there is no webhook',
    integer(1, 65_535),
  );
  for (const key of SETTING_KEYS) command.addOption(settingOption(key, INJECT_PREFIX));
  command.action(async (flags: ControllerFlags) => {
    const settings = settingsOf(flags, version);
    // Loaded on demand: the other commands do not need it.
    const { runController } = await import('../controller/controller.ts');
    await runController(settings);
  });
}

/** @throws ProxyError `invalid-setting` */
function settingsOf(flags: ControllerFlags, version: string): ControllerSettings {
  const { leaseDuration, renewDeadline, retryPeriod } = flags;
  if (renewDeadline >= leaseDuration || retryPeriod * 2 > renewDeadline) {
    const message =
      '--retry-period has to be half of --renew-deadline at most, and that less than --lease-duration; or two replicas may ' +
      'lead at a time';
    throw new ProxyError('invalid-setting', message);
  }
  return {
    kubeconfig: flags.kubeconfig ?? null,
    controllerName: flags.controllerName,
    metrics: flags.metrics,
    nudge: flags.nudge === 'on',
    nudgeRate: flags.nudgeRate,
    servedPort: flags.servedPort,
    cleanupAfterMs: flags.cleanupAfter,
    leaderElection: flags.leaderElection === 'on',
    leaseName: flags.leaseName,
    leaseNamespace: flags.leaseNamespace ?? mountedNamespace() ?? 'default',
    // A restarted container keeps its Lease when it has the same identity.
    identity: flags.identity ?? `${hostname()}-${process.pid}`,
    leaseDurationMs: leaseDuration,
    renewDeadlineMs: renewDeadline,
    retryPeriodMs: retryPeriod,
    logLevel: flags.logLevel,
    webhook:
      flags.webhookPort === undefined ? null : { port: flags.webhookPort, inject: injectSettings(flags, version) },
  };
}

function injectSettings(flags: ControllerFlags, version: string): InjectSettings {
  const all = flags as unknown as Readonly<Record<string, string | undefined>>;
  const given = SETTING_KEYS.map((key) => [key, all[`${INJECT_PREFIX}${key}`] ?? null] as const);
  return givenSettings(Object.fromEntries(given), version);
}

function matching(text: string, pattern: RegExp, expected: string): string {
  if (pattern.test(text)) return text;
  throw unexpected(text, expected);
}
