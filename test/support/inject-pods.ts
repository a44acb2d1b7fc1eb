/** The pods that the workloads of a manifest would have, for tests of code that injects pods and not manifests. */
import { documentsOf, type KubernetesObject, type PodTemplate } from '../unit/inject/fixtures.ts';
import { WORKLOAD_KINDS } from '../../src/inject/workloads.ts';

export interface Pod {
  readonly apiVersion: 'v1';
  readonly kind: 'Pod';
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly spec: PodTemplate['spec'];
}

/** The pods of all documents of a manifest, without nulls, as an API server sees them. */
export function podsOf(text: string): Pod[] {
  return documentsOf(text)
    .filter((value): value is KubernetesObject => typeof value === 'object' && value !== null)
    .flatMap((object) => {
      if (object.kind?.endsWith('List') !== true) return [object];
      const kind =
        object.kind === 'List' ? {} : { kind: object.kind.slice(0, -4), apiVersion: object.apiVersion ?? '' };
      return (object.items ?? []).map((item) => ({ ...kind, ...item }));
    })
    .flatMap((object) => {
      const kind = Object.hasOwn(WORKLOAD_KINDS, object.kind ?? '') ? WORKLOAD_KINDS[object.kind ?? ''] : undefined;
      const group = object.apiVersion?.includes('/') === true ? object.apiVersion.split('/')[0]! : '';
      if (kind?.groups.includes(group) !== true) return [];
      let template: unknown = object;
      for (const step of kind.template) template = (template as Record<string, unknown> | undefined)?.[step];
      const { metadata, spec } = withoutNulls(template) as Partial<PodTemplate>;
      return spec === undefined ? [] : [{ apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata }, spec }];
    });
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, item]) => item !== null);
  return Object.fromEntries(entries.map(([name, item]) => [name, withoutNulls(item)]));
}
