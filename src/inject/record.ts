/**
 * The annotation that records the additions to a pod template, so that they can be removed exactly.
 *
 * Written by `inject.ts`, read by `uninject.ts`, also in another version. So names are listed explicitly.
 */
export const INJECTED_ANNOTATION = 'sideroute.dev/injected';

/** Fields of the pod template that are created when absent, and filled when they are null. */
export type Holder = 'metadata' | 'annotations' | 'initContainers' | 'containers' | 'volumes';

export interface InjectionRecord {
  /** Version of the sideroute that wrote it. */
  readonly version: string;
  readonly mode: string;
  /** Names of our entries. */
  readonly initContainers: readonly string[];
  readonly containers: readonly string[];
  readonly volumes: readonly string[];
  /** Annotations other than the record itself. */
  readonly annotations: readonly string[];
  /** Fields that did not exist before. */
  readonly created: readonly string[];
  /** Fields that were an explicit null, with its spelling. */
  readonly nulls: Readonly<Record<string, string>>;
}

export function recordText(record: InjectionRecord): string {
  return JSON.stringify(record);
}

/** Null for text that inject did not write. */
export function parseRecord(text: string): InjectionRecord | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const record = value as Partial<Record<keyof InjectionRecord, unknown>>;
  const lists = [record.initContainers, record.containers, record.volumes, record.annotations, record.created];
  const nulls = record.nulls;
  const good =
    typeof record.version === 'string' &&
    typeof record.mode === 'string' &&
    lists.every((list) => Array.isArray(list) && list.every((item) => typeof item === 'string')) &&
    typeof nulls === 'object' &&
    nulls !== null &&
    Object.values(nulls).every((spelling) => ['null', 'Null', 'NULL', '~'].includes(spelling as string));
  return good ? (value as InjectionRecord) : null;
}
