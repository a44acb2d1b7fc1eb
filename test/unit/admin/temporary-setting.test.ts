import t from 'tap';

import { ProxyError } from '../../../src/errors.ts';
import { LOG_LEVELS, type LogFields, type LogLevel } from '../../../src/log.ts';
import { ACCESS_LOG_MODES, type AccessLogMode } from '../../../src/addon/access-log.ts';
import { changeLogSettings, showLogSettings } from '../../../src/admin/log-level.ts';
import { TemporarySetting, type Clock } from '../../../src/admin/temporary-setting.ts';
import { matches } from '../../support/match.ts';

/** Time that stands still until it is told to go on. */
class TestClock implements Clock {
  #nowMs = 1_000;
  readonly #timers = new Set<{ readonly dueMs: number; readonly callback: () => void }>();

  get timers(): number {
    return this.#timers.size;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { dueMs: this.#nowMs + delayMs, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  advance(ms: number): void {
    this.#nowMs += ms;
    for (const timer of [...this.#timers]) {
      if (timer.dueMs > this.#nowMs) continue;
      this.#timers.delete(timer);
      timer.callback();
    }
  }
}

function observed<T extends string>(name: string, configured: T, allowed: readonly T[]) {
  const clock = new TestClock();
  const applied: T[] = [];
  const lines: [string, LogFields][] = [];
  const setting = new TemporarySetting<T>({
    ...{ name, configured, allowed, clock },
    apply: (value) => applied.push(value),
    log: (message, fields) => lines.push([message, fields]),
  });
  return { clock, applied, lines, setting };
}

const logLevel = (configured: LogLevel = 'info') => observed<LogLevel>('log level', configured, LOG_LEVELS);

t.test('a change holds for its time and then reverts by itself', async (t) => {
  const { clock, applied, lines, setting } = logLevel();
  t.same(setting.state, { value: 'info', configured: 'info', remainingMs: null });
  setting.change('debug', 60_000, 'curl/8');
  t.same(setting.state, { value: 'debug', configured: 'info', remainingMs: 60_000 });
  clock.advance(59_999);
  t.same(setting.state, { value: 'debug', configured: 'info', remainingMs: 1 });
  t.same(applied, ['debug']);
  clock.advance(1);
  t.same(setting.state, { value: 'info', configured: 'info', remainingMs: null });
  t.same(applied, ['debug', 'info']);
  t.same(lines, [
    ['log level changed', { from: 'info', to: 'debug', for: '1m', by: 'curl/8' }],
    ['log level reverted', { from: 'debug', to: 'info' }],
  ]);
  t.equal(clock.timers, 0);
});

t.test('another change replaces the first one and its time', async (t) => {
  const { clock, applied, lines, setting } = logLevel();
  setting.change('debug', 60_000, 'a');
  clock.advance(50_000);
  setting.change('error', 60_000, 'b');
  t.equal(clock.timers, 1);
  clock.advance(50_000);
  t.match(setting.state, { value: 'error', remainingMs: 10_000 });
  setting.change('error', 60_000, 'b');
  clock.advance(59_999);
  t.equal(setting.state.value, 'error', 'the same value again puts off its end');
  clock.advance(1);
  t.same(applied, ['debug', 'error', 'error', 'info']);
  matches(t, lines[1], ['log level changed', { from: 'debug', to: 'error', by: 'b' }]);
});

t.test('the configured value ends a change', async (t) => {
  const { clock, applied, lines, setting } = logLevel('warn');
  setting.change('warn', 60_000, 'a');
  t.same(lines, [], 'there is nothing to end');
  setting.change('debug', 60_000, 'a');
  setting.change('warn', 60_000, 'b');
  t.same(setting.state, { value: 'warn', configured: 'warn', remainingMs: null });
  t.equal(clock.timers, 0);
  t.same(applied, ['debug', 'warn']);
  t.same(lines[1], ['log level set back', { from: 'debug', to: 'warn', by: 'b' }]);
});

t.test('closed, it reverts nothing', async (t) => {
  const { clock, applied, setting } = logLevel();
  setting.change('debug', 60_000, 'a');
  setting.close();
  t.equal(clock.timers, 0);
  clock.advance(60_000);
  t.same(applied, ['debug']);
});

t.test('with the clock of the process, a change reverts', async (t) => {
  await new Promise<void>((resolve) => {
    const setting = new TemporarySetting<LogLevel>({
      ...{ name: 'log level', configured: 'info', allowed: LOG_LEVELS, log: () => undefined },
      apply: (level) => {
        if (level === 'info') resolve();
      },
    });
    setting.change('debug', 1, 'a');
    // Keeps the process: the timer of the setting does not.
    const keep = setTimeout(() => undefined, 10_000);
    t.teardown(() => clearTimeout(keep));
  });
});

t.test('a query changes settings by their names, all of them or none', async (t) => {
  const level = logLevel();
  const other = observed<AccessLogMode>('access log', 'errors', ACCESS_LOG_MODES);
  const settings = { level: level.setting, 'access-log': other.setting };
  changeLogSettings(settings, 'level=debug', 'a');
  t.same(showLogSettings(settings), {
    level: { value: 'debug', configured: 'info', remaining: '10m' },
    'access-log': { value: 'errors', configured: 'errors', remaining: null },
  });
  changeLogSettings(settings, 'access-log=all&level=warn&ttl=90s', 'a');
  level.clock.advance(500);
  t.match(showLogSettings(settings), {
    level: { value: 'warn', remaining: '1m30s' },
    'access-log': { value: 'all', remaining: '1m30s' },
  });
  for (const [query, message] of [
    ['', 'level or access-log: is missing, for instance ?level=debug&ttl=10m'],
    ['ttl=1m', 'level or access-log: is missing'],
    ['level=trace', 'level: got "trace", expected one of debug, info, warn, error'],
    ['level=debug&level=info', 'level: is given more than once'],
    ['level=error&access-log=loud', 'access-log: got "loud"'],
    ['level=error&ttl=soon', 'ttl: got "soon", expected a duration from 1s to 24h, such as 10m'],
    ['level=error&ttl=999ms', 'ttl: got "999ms"'],
    ['level=error&ttl=24h1s', 'ttl: got "24h1s"'],
    ['level=error&for=1m', 'for: no such parameter, expected one of level, access-log, ttl'],
  ]) {
    let refusal: unknown;
    try {
      changeLogSettings(settings, query!, 'a');
    } catch (error) {
      refusal = error;
    }
    t.type(refusal, ProxyError);
    t.ok((refusal as Error).message.startsWith(message!), String(refusal));
  }
  t.equal(level.setting.state.value, 'warn', 'nothing of a refused query is done');
  t.same(level.applied, ['debug', 'warn']);
});
