/** How kubectl prints objects. */
import { stringify } from 'yaml';
import type { PodSpec } from '../manifests.ts';
import { CommandError, referenceOf, type StoredObject } from './objects.ts';

/** Without the fields that only the stand-in needs; keys in alphabetical order, as kubectl prints them. */
function document(objects: readonly StoredObject[], single: boolean): unknown {
  return single ? objects[0] : { apiVersion: 'v1', items: objects, kind: 'List', metadata: { resourceVersion: '' } };
}

/** `{.spec.x[0].y}`, `{.items[*].metadata.name}` and text between such parts. */
function jsonPath(template: string, value: unknown): string {
  return template.replaceAll(/\{([^}]*)\}/g, (_, path: string) => {
    const literal = /^"(.*)"$/.exec(path);
    if (literal !== null) return literal[1]!.replaceAll('\\n', '\n').replaceAll('\\t', '\t');
    if (!/^(\.[\w-]+(\\\.[\w-]+)*|\[(\d+|\*)\]|\['[^']*'\])*$/.test(path))
      throw new CommandError(`the stand-in for kubectl cannot follow {${path}}`);
    let found: unknown[] = [value];
    for (const [, field, index, quoted] of path.matchAll(/\.((?:\\\.|[\w-])+)|\[(\d+|\*)\]|\['([^']*)'\]/g)) {
      found = found.flatMap((each): unknown[] => {
        if (index === '*') return each as unknown[];
        const key = index ?? (quoted ?? field!).replaceAll('\\.', '.');
        return [(each as Readonly<Record<string, unknown>> | undefined)?.[key]];
      });
    }
    return found
      .map((each) => (typeof each === 'string' ? each : each === undefined ? '' : JSON.stringify(each)))
      .join(' ');
  });
}

/** Columns that documents show or readers use. */
function row({ kind, metadata, status, spec, data }: StoredObject): string[] {
  switch (kind) {
    case 'Deployment': {
      const ready = Number(status?.['readyReplicas'] ?? 0);
      return [metadata.name, `${ready}/${spec?.replicas ?? 1}`];
    }
    case 'Pod': {
      const { initContainers = [], containers = [] } = spec as unknown as PodSpec;
      const all = containers.length + initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always').length;
      const running = status?.['phase'] === 'Running';
      return [
        metadata.name,
        `${running ? all : 0}/${all}`,
        (status?.['phase'] as string | undefined) ?? 'Pending',
        '0',
        '1m',
      ];
    }
    case 'Service':
      return [metadata.name, spec?.clusterIP ?? '', (spec?.ports ?? []).map(({ port }) => `${port}/TCP`).join(',')];
    case 'ServiceCIDR':
      return [metadata.name, (spec?.['cidrs'] as string[]).join(',')];
    case 'ConfigMap':
      return [metadata.name, String(Object.keys(data ?? {}).length)];
    default:
      return [metadata.name];
  }
}

const HEADERS: Readonly<Record<string, string[]>> = {
  Deployment: ['NAME', 'READY'],
  Pod: ['NAME', 'READY', 'STATUS', 'RESTARTS', 'AGE'],
  Service: ['NAME', 'CLUSTER-IP', 'PORT(S)'],
  ServiceCIDR: ['NAME', 'CIDRS'],
  ConfigMap: ['NAME', 'DATA'],
};

function table(objects: readonly StoredObject[], namespaced: boolean): string {
  const kinds = [...new Set(objects.map(({ kind }) => kind))];
  return kinds
    .map((kind) => {
      const rows = objects
        .filter((object) => object.kind === kind)
        .map((object) => [...(namespaced ? [object.metadata.namespace ?? ''] : []), ...row(object)]);
      const lines = [[...(namespaced ? ['NAMESPACE'] : []), ...(HEADERS[kind] ?? ['NAME'])], ...rows];
      const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
      return lines
        .map(
          (line) =>
            `${line
              .map((text, i) => text.padEnd(widths[i]!))
              .join('   ')
              .trimEnd()}\n`,
        )
        .join('');
    })
    .join('\n');
}

/** `single`: one object was selected by its name. */
export function print(
  objects: readonly StoredObject[],
  format: string | undefined,
  single: boolean,
  namespaced: boolean,
): string {
  if (format === undefined || format === 'wide') return table(objects, namespaced);
  if (format === 'yaml')
    return stringify(document(objects, single), { sortMapEntries: true, aliasDuplicateObjects: false });
  if (format === 'json') return `${JSON.stringify(document(objects, single), undefined, 4)}\n`;
  if (format === 'name') return objects.map((object) => `${referenceOf(object)}\n`).join('');
  if (format.startsWith('jsonpath=')) return jsonPath(format.slice('jsonpath='.length), document(objects, single));
  throw new CommandError(`error: the stand-in for kubectl does not print ${format}`);
}
