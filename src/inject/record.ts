/**
 * The annotation that records what was added to a pod template, so that it can be taken out again exactly.
 *
 * Written by `inject.ts`, read by `uninject.ts`, also when another version wrote it: names are spelled out.
 */
export const INJECTED_ANNOTATION = 'sideroute.dev/injected';

/** Fields of the pod template that are made when they are not there, and filled when they are null. */
export type Holder = 'metadata' | 'annotations' | 'initContainers' | 'containers' | 'volumes';

export interface InjectionRecord {
  /** Of the sideroute that wrote it. */
  readonly version: string;
  readonly mode: string;
  /** Names of the entries that are ours. */
  readonly initContainers: readonly string[];
  readonly containers: readonly string[];
  readonly volumes: readonly string[];
  /** Besides the record itself. */
  readonly annotations: readonly string[];
  /** Fields that were not there before. */
  readonly created: readonly string[];
  /** Fields that were an explicit null, with its spelling. */
  readonly nulls: Readonly<Record<string, string>>;
}

export function recordText(record: InjectionRecord): string {
  return JSON.stringify(record);
}

/** Null for what inject never wrote. */
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
