/**
 * The conditions of routes, for Prometheus and for the log.
 *
 * Stage before: `cluster/condition-tracker.ts`. Stage after: `exposition.ts` and the log.
 *
 * The gauge has one series for each condition, and its value is the status: 1 True, 0 False, -1 Unknown.
 * kube-state-metrics has three series for each condition, one for each status, of which one is 1. That triples the
 * number of series and turns "not True" into a sum. Here `< 1` selects every condition that is not True. The reason is
 * a label although it changes, because people ask for it next. A condition never has two reasons in one scrape, so
 * alerts can aggregate over it.
 */
import type { RouteCondition } from '../config/attachment.ts';
import type { LogFields, Logger } from '../log.ts';
import type { Steps } from '../slices.ts';
import { MAX_SERIES } from './metrics.ts';
import { familyHead, labelText } from './series-text.ts';

const CONDITION = 'sideroute_route_condition';
const VALUE = { True: 1, False: 0, Unknown: -1 } as const;

/** PartiallyInvalid is a fault when it is True, the other types when they are not True. */
export function isFault({ type, status }: RouteCondition): boolean {
  return type === 'PartiallyInvalid' ? status === 'True' : status !== 'True';
}

/** The text of the gauge, cached while the conditions are the same array. */
export class ConditionText {
  /** Number of conditions beyond the limit in the last text. */
  folded = 0;
  private readonly maxSeries: number;
  private last: readonly RouteCondition[] | null = null;
  private text = '';

  constructor(maxSeries: number = MAX_SERIES) {
    this.maxSeries = maxSeries;
  }

  /** The text, which ends with a newline. */
  *render(conditions: readonly RouteCondition[]): Steps<string> {
    if (conditions !== this.last) {
      this.text = yield* this.write(conditions);
      this.last = conditions;
    }
    return this.text;
  }

  private *write(conditions: readonly RouteCondition[]): Steps<string> {
    const values = new Map<string, number>();
    let folded = 0;
    // Faults first: when there is no room for all, conditions without fault can be left out.
    for (const faults of [true, false]) {
      for (const condition of conditions) {
        if (isFault(condition) !== faults) continue;
        if (values.size >= this.maxSeries) {
          folded++;
          continue;
        }
        yield;
        const labels = labelText({
          kind: condition.routeKind,
          route_namespace: condition.namespace,
          route_name: condition.name,
          parent: condition.parent,
          type: condition.type,
          reason: condition.reason,
        });
        // A refused route may occur twice in the files, but a series only once in a scrape. The first one, a fault, is
        // used.
        if (!values.has(labels)) values.set(labels, VALUE[condition.status]);
      }
    }
    let text = familyHead(
      CONDITION,
      'gauge',
      'Conditions of routes for their parents: 1 True, 0 False, -1 Unknown. PartiallyInvalid is a fault when True.',
    );
    for (const [labels, value] of values) text += `${CONDITION}{${labels}} ${value}\n`;
    this.folded = folded;
    return text;
  }
}

/** Logs a condition once when it becomes a fault or its fault changes, and once when it is in order again. */
export class ConditionLog {
  readonly #logger: Logger;
  /** Faults of the last update, by their subject. */
  #faults: ReadonlyMap<string, RouteCondition> = new Map();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Updates must not overlap. */
  *update(conditions: readonly RouteCondition[]): Steps<void> {
    const faults = new Map<string, RouteCondition>();
    const routes = new Set<string>();
    for (const condition of conditions) {
      const { parent, type, status, reason, message, source } = condition;
      routes.add(routeKey(condition));
      yield;
      if (!isFault(condition)) continue;
      const key = JSON.stringify([routeKey(condition), parent, type]);
      const known = this.#faults.get(key);
      if (status === 'Unknown') {
        // The resolver already logs once for each Service that it is unknown; there may be thousands. A fault logged
        // before stays until something else is known.
        if (known !== undefined) faults.set(key, known);
        continue;
      }
      faults.set(key, condition);
      if (known?.status === status && known.reason === reason && known.message === message) continue;
      const where = { file: source.file, document: source.document };
      this.#logger.warn(`route condition ${type} is ${status}: ${message}`, { ...fieldsOf(condition), ...where });
    }
    for (const [key, fault] of this.#faults) {
      yield;
      // A route that is gone has no conditions that could be in order.
      if (faults.has(key) || !routes.has(routeKey(fault))) continue;
      this.#logger.info(`route condition ${fault.type} is in order again`, fieldsOf(fault));
    }
    this.#faults = faults;
  }
}

function routeKey({ routeKind, namespace, name }: RouteCondition): string {
  return `${routeKind} ${namespace}/${name}`;
}

function fieldsOf(condition: RouteCondition): LogFields {
  const { parent, type, reason } = condition;
  return { route: routeKey(condition), parent: parent === '' ? null : parent, type, reason };
}
