/**
 * The warning for a Service document that contradicts cluster DNS, or whose Service cluster DNS does not know.
 *
 * Used by `resolver.ts`. The rest of the document (its ports) stays in use, so both are warnings.
 */
import type { Problem, Service } from '../gateway-api/types.ts';
import type { ServiceAddresses } from './service-addresses.ts';

type Place = Pick<Problem, 'file' | 'document' | 'line' | 'resource' | 'path'>;

export function placeOf({ namespace, name, source: { file, document, line } }: Service): Place {
  return { file, document, line, resource: `Service ${namespace}/${name}`, path: 'spec.clusterIPs' };
}

/** Null when there is nothing to report. */
export function documentProblem(
  documented: ServiceAddresses,
  current: ServiceAddresses,
): Omit<Problem, keyof Place> | null {
  const written = documented.addresses.join(', ');
  if (current.verdict === 'differs') {
    const used = current.addresses.join(', ');
    return {
      severity: 'warning',
      code: 'document-outdated',
      message: `${written} is not what cluster DNS says, which is followed: ${used}; write the document anew, or without clusterIP`,
    };
  }
  if (current.verdict !== 'unknown') return null;
  return {
    severity: 'warning',
    code: 'document-unknown',
    message: `cluster DNS does not know this Service; the document is believed, and ${written} used`,
  };
}
