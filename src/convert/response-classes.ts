/**
 * Which responses a route of a ServiceProfile counts as failures, as status codes to retry.
 *
 * Used by `service-profile.ts`.
 */
import type { Fields } from '../gateway-api/fields.ts';
import type { Findings } from './findings.ts';

const MAX_CLASSES = 1000;
/** Maximum number of codes in one retry. */
const MAX_CODES = 200;

/** By default Linkerd counts 5xx as failures. */
export function failureCodes(route: Fields, findings: Findings): number[] {
  const classes = route.list('responseClasses', MAX_CLASSES).map((item) => {
    item.only(['condition', 'isFailure']);
    const condition = item.requiredFields('condition');
    return {
      fails: item.boolean('isFailure') ?? false,
      test: condition === null ? () => false : readCondition(condition),
    };
  });
  const codes: number[] = [];
  let others = false;
  for (let status = 100; status <= 599; status++) {
    const first = classes.find(({ test }) => test(status));
    const fails = first === undefined ? status >= 500 : first.fails;
    if (fails && status >= 400) codes.push(status);
    else if (fails) others = true;
  }
  if (others || codes.length > MAX_CODES) {
    findings.differs(
      'response-class',
      route,
      'responseClasses',
      'only 200 status codes from 400 on can be retried: the others are left out',
    );
  } else if (classes.length > 0 && route.boolean('isRetryable') !== true) {
    findings.note(
      'response-class',
      route,
      'responseClasses',
      'metrics here count status codes; classes only decide what is retried',
    );
  }
  // If there is no room for all, codes of server errors take precedence.
  return codes.length <= MAX_CODES ? codes : codes.toReversed().slice(0, MAX_CODES).toReversed();
}

type StatusTest = (status: number) => boolean;

/** All fields of a condition must hold. */
function readCondition(item: Fields): StatusTest {
  item.only(['status', 'all', 'any', 'not']);
  const tests: StatusTest[] = [];
  const range = item.fields('status');
  if (range !== null) {
    range.only(['min', 'max']);
    const min = range.integer('min', 0, 599) ?? 0;
    const max = range.integer('max', 0, 599) ?? 599;
    tests.push((status) => status >= min && status <= max);
  }
  const all = item.list('all', 64).map(readCondition);
  if (item.has('all')) tests.push((status) => all.every((test) => test(status)));
  const any = item.list('any', 64).map(readCondition);
  if (item.has('any')) tests.push((status) => any.some((test) => test(status)));
  const inner = item.fields('not');
  if (inner !== null) {
    const test = readCondition(inner);
    tests.push((status) => !test(status));
  }
  return (status) => tests.every((test) => test(status));
}
