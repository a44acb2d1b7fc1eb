/**
 * `/log-level`: shows the levels of the log and of the access log, and changes them temporarily.
 *
 * Stage before: `private-admin.ts`. Stage after: the settings, by the name of their parameter. A further setting needs
 * only an entry in `LogSettings`.
 */
import { ACCESS_LOG_MODES, type AccessLogMode } from '../addon/access-log.ts';
import { unexpected } from '../errors.ts';
import { formatDuration, parseDuration } from '../gateway-api/durations.ts';
import { LOG_LEVELS, type Logger, type LogLevel } from '../log.ts';
import { named, oneOf, QueryParameters } from './query.ts';
import { TemporarySetting } from './temporary-setting.ts';

/** By the parameter of `PUT /log-level`. */
export interface LogSettings {
  readonly level: TemporarySetting<LogLevel>;
  readonly 'access-log': TemporarySetting<AccessLogMode>;
}

/** The current values of `logger` and `accessLog` are taken as the configured ones. Changes are logged by `logger`. */
export function logSettings(
  logger: Logger,
  accessLog: { readonly mode: AccessLogMode; setMode(mode: AccessLogMode): void },
): LogSettings {
  const log = logger.notice.bind(logger);
  return {
    level: new TemporarySetting({
      ...{ name: 'log level', configured: logger.level, allowed: LOG_LEVELS, log },
      apply: (level) => {
        logger.level = level;
      },
    }),
    'access-log': new TemporarySetting({
      ...{ name: 'access log', configured: accessLog.mode, allowed: ACCESS_LOG_MODES, log },
      apply: (mode) => accessLog.setMode(mode),
    }),
  };
}

const DEFAULT_TTL_MS = 10 * 60_000;
const MIN_TTL_MS = 1_000;
const MAX_TTL_MS = 24 * 3_600_000;

interface ShownSetting {
  readonly value: string;
  readonly configured: string;
  /** Time until it returns to the configured value, as a duration in whole seconds; null when it has that value. */
  readonly remaining: string | null;
}

export function showLogSettings(settings: LogSettings): Readonly<Record<string, ShownSetting>> {
  const shown = byName(settings).map(([name, setting]) => {
    const { value, configured, remainingMs } = setting.state;
    const remaining = remainingMs === null ? null : formatDuration(Math.ceil(remainingMs / 1_000) * 1_000);
    return [name, { value, configured, remaining }] as const;
  });
  return Object.fromEntries(shown);
}

/**
 * Changes the settings named in the query, all of them or none. `by`: the caller, for the log.
 *
 * @throws ProxyError `invalid-setting` naming the parameter
 */
export function changeLogSettings(settings: LogSettings, query: string, by: string): void {
  const all = byName(settings);
  const names = all.map(([name]) => name);
  const parameters = new QueryParameters(query, [...names, 'ttl']);
  const ttlMs = parameters.one('ttl', ttl) ?? DEFAULT_TTL_MS;
  const changes = all.flatMap(([name, setting]) => {
    const value = parameters.one(name, oneOf(setting.allowed));
    return value === null ? [] : [{ setting, value }];
  });
  if (changes.length === 0) {
    throw named(names.join(' or '), `is missing, for instance ?level=debug&ttl=${formatDuration(DEFAULT_TTL_MS)}`);
  }
  for (const { setting, value } of changes) setting.change(value, ttlMs, by);
}

/** Cancels all reverts. */
export function closeLogSettings(settings: LogSettings): void {
  for (const [, setting] of byName(settings)) setting.close();
}

function byName(settings: LogSettings): readonly [string, TemporarySetting<string>][] {
  return Object.entries(settings) as [string, TemporarySetting<string>][];
}

function ttl(text: string): number {
  const ttlMs = parseDuration(text);
  if (ttlMs !== null && ttlMs >= MIN_TTL_MS && ttlMs <= MAX_TTL_MS) return ttlMs;
  throw unexpected(text, `a duration from ${formatDuration(MIN_TTL_MS)} to ${formatDuration(MAX_TTL_MS)}, such as 10m`);
}
