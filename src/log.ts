/**
 * Log lines: one JSON object for each line. They are few: start-up, configuration, dropped connections. The access log
 * is separate.
 *
 * Stage after: `observe/process-log.ts` in the sidecar; commands write them directly.
 */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined | readonly string[]>>;

export interface Logger {
  level: LogLevel;
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A line of level `info` that is written at every log level: an action of a person on the process. */
  notice(message: string, fields?: LogFields): void;
}

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** `write` receives complete lines, including their newline. */
export function createLogger(level: LogLevel, write: (line: string) => void): Logger {
  const logger = {
    level,
    debug: (message: string, fields?: LogFields) => {
      emit('debug', message, fields);
    },
    info: (message: string, fields?: LogFields) => {
      emit('info', message, fields);
    },
    warn: (message: string, fields?: LogFields) => {
      emit('warn', message, fields);
    },
    error: (message: string, fields?: LogFields) => {
      emit('error', message, fields);
    },
    notice: (message: string, fields?: LogFields) => {
      print('info', message, fields);
    },
  };
  function emit(lineLevel: LogLevel, message: string, fields?: LogFields): void {
    if (RANK[lineLevel] >= RANK[logger.level]) print(lineLevel, message, fields);
  }
  function print(lineLevel: LogLevel, message: string, fields?: LogFields): void {
    write(`${JSON.stringify({ time: new Date().toISOString(), level: lineLevel, message, ...fields })}\n`);
  }
  return logger;
}
