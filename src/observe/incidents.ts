/**
 * Logs requests and connections that sideroute answers or drops itself: the first few for each reason in a window, then
 * a count.
 *
 * Stage before: engines and the acceptor. Each such event has its metric; the log adds the frontend and address, but a
 * failing backend must not fill the disk.
 */
import type { AcceptorOptions } from '../addon/binding.ts';
import { formatAddress } from '../addon/listen-address.ts';
import type { Outcome } from '../engine/engine.ts';
import { REQUEST_REASONS, type RequestReason } from '../errors.ts';
import type { LogFields, Logger } from '../log.ts';
import type { SeriesLabels } from '../routing/decision.ts';

const WINDOW_MS = 10_000;
const LINES_PER_WINDOW = 5;
const CAPTURED_HINT = `dialled by this sidecar (uid ${process.getuid?.()}) and captured again: the rules exempt another uid (--proxy-uid)`;

interface Budget {
  windowStartMs: number;
  lines: number;
  suppressed: number;
}

export class IncidentLog {
  readonly #logger: Pick<Logger, 'warn'>;
  readonly #now: () => number;
  readonly #budgets = new Map<string, Budget>();

  /** `now`: monotonic milliseconds. */
  constructor(logger: Pick<Logger, 'warn'>, now: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#now = now;
  }

  /** `message` and `reason` together identify the kind. `fields` is only called when a line is written. */
  record(message: string, reason: string, fields: () => LogFields): void {
    const key = `${message} ${reason}`;
    const now = this.#now();
    let budget = this.#budgets.get(key);
    if (budget === undefined) {
      budget = { windowStartMs: now, lines: 0, suppressed: 0 };
      this.#budgets.set(key, budget);
    }
    if (now - budget.windowStartMs >= WINDOW_MS) {
      budget.windowStartMs = now;
      budget.lines = 0;
    }
    if (budget.lines >= LINES_PER_WINDOW) {
      budget.suppressed += 1;
      return;
    }
    budget.lines += 1;
    const suppressed = budget.suppressed === 0 ? {} : { suppressedBefore: budget.suppressed };
    budget.suppressed = 0;
    this.#logger.warn(message, { reason, ...fields(), ...suppressed });
  }
}

/** Incidents of requests, reported by engines. `parent`: the key of a frontend; `describe`: the fields for a series. */
export function requestIncidents(
  incidents: IncidentLog,
  parent: (frontend: number) => string | null,
  describe: (series: number) => LogFields,
): {
  onReason(reason: RequestReason, outcome: Pick<Outcome, 'status' | 'grpcStatus' | 'series'>): void;
  onRefused(frontend: number, reason: RequestReason): void;
} {
  return {
    onReason: (reason, { status, grpcStatus, series }) => {
      // A reply by the route itself, such as a redirect, is not an incident; the metric counts it.
      if (REQUEST_REASONS[reason].source === 'route') return;
      incidents.record('request not answered by a backend', reason, () => ({
        status,
        ...(grpcStatus == null ? {} : { grpcStatus }),
        ...describe(series),
      }));
    },
    onRefused: (frontend, reason) => {
      incidents.record('request refused', reason, () => ({ parent: parent(frontend) }));
    },
  };
}

/**
 * Incidents of connections, reported by the acceptor. `counts`: numbers of connections, for the line about too many.
 */
export function connectionIncidents(
  incidents: IncidentLog,
  counts: () => LogFields,
): Pick<AcceptorOptions, 'onDropped'> & Required<Pick<AcceptorOptions, 'onPaused'>> {
  return {
    onDropped: (reason, address, port, errorCode) => {
      incidents.record('connection dropped', reason, () => ({
        destination: formatAddress({ address, port }),
        errorCode,
        // Only for connections this process dialled itself; other loops have another error code or none.
        ...(errorCode === 'ELOOP' ? { hint: CAPTURED_HINT } : {}),
      }));
    },
    onPaused: (limit) => {
      incidents.record('accepting pauses', 'accept_limit', () => ({ limit, ...counts() }));
    },
  };
}

/** The labels of a series as fields of a log line; null where they do not apply. */
export function seriesFields(labels: SeriesLabels): LogFields {
  const { parentNamespace, parentName, parentPort, routeNamespace, routeName, rule } = labels;
  const { backendNamespace, backendName, backendPort } = labels;
  return {
    parent: `${parentNamespace}/${parentName}:${parentPort}`,
    route: routeName === '' ? null : `${routeNamespace}/${routeName}`,
    rule: rule === '' ? null : rule,
    backend: backendName === '' ? null : `${backendNamespace}/${backendName}:${backendPort}`,
  };
}
