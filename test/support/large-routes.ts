/**
 * Route files with very many rules, as text: each rule has a path, a header and two backends of its own.
 */

export interface LargeRoutes {
  readonly routes: number;
  readonly rulesPerRoute: number;
  /** Parents; the backends are the two versions of each. */
  readonly services: number;
  /** `list`: one `kind: List` per file, as `kubectl get -o yaml` writes it. `json`: the same as JSON. */
  readonly format: 'documents' | 'list' | 'json';
  readonly files: number;
  /** Makes every rule differ from those of another generation. */
  readonly generation?: number;
}

/** Texts by file name; the Services are in the first one. */
export function largeRouteFiles(options: LargeRoutes): Map<string, string> {
  const objects: object[][] = Array.from({ length: options.files }, () => []);
  for (let index = 0; index < options.services; index++) objects[0]!.push(serviceObject(index));
  for (let index = 0; index < options.routes; index++) {
    objects[Math.floor((index * options.files) / options.routes)]!.push(routeObject(index, options));
  }
  const extension = options.format === 'json' ? 'json' : 'yaml';
  return new Map(objects.map((items, index) => [`routes-${index}.${extension}`, fileText(items, options.format)]));
}

/** The same as objects, Services first. */
export function largeRouteObjects(options: Omit<LargeRoutes, 'format' | 'files'>): object[] {
  const shape = { ...options, format: 'json', files: 1 } as const;
  const services = Array.from({ length: options.services }, (_, index) => serviceObject(index));
  return [...services, ...Array.from({ length: options.routes }, (_, index) => routeObject(index, shape))];
}

function serviceObject(index: number): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: `shop-${index}`, namespace: 'shop' },
    spec: { clusterIP: `10.96.${128 + (index >> 8)}.${index & 255}`, ports: [{ name: 'http', port: 80 }] },
  };
}

function routeObject(index: number, { rulesPerRoute, services, generation = 0 }: LargeRoutes): object {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: `route-${index}`, namespace: 'shop' },
    spec: {
      parentRefs: [{ group: '', kind: 'Service', name: `shop-${index % services}`, port: 80 }],
      rules: Array.from({ length: rulesPerRoute }, (_, rule) => ruleObject(index * rulesPerRoute + rule, generation)),
    },
  };
}

function ruleObject(index: number, generation: number): object {
  const path = `/service${index % 97}/team${(index * 7) % 1013}/item${index}`;
  return {
    matches: [
      { path: { type: 'PathPrefix', value: path }, headers: [{ name: 'x-tenant', value: `t${generation}-${index}` }] },
    ],
    backendRefs: [
      { name: `shop-${index % 50}-v1`, port: 80, weight: 90 },
      { name: `shop-${index % 50}-v2`, port: 80, weight: 10 },
    ],
  };
}

function fileText(items: readonly object[], format: LargeRoutes['format']): string {
  if (format === 'documents') return items.map((item) => yamlText(item, '')).join('---\n');
  const list = { apiVersion: 'v1', kind: 'List', items };
  return format === 'json' ? `${JSON.stringify(list, null, 2)}\n` : yamlText(list, '');
}

/** Indented as by kubectl: lists at the column of their key. */
function yamlText(value: object, indent: string): string {
  if (Array.isArray(value)) {
    return value.map((item: object) => `${indent}- ${yamlText(item, `${indent}  `).trimStart()}`).join('');
  }
  return Object.entries(value)
    .map(([key, field]: [string, unknown]) => {
      if (typeof field !== 'object' || field === null) {
        return `${indent}${key}: ${field === '' ? '""' : String(field)}\n`;
      }
      return `${indent}${key}:\n${yamlText(field, Array.isArray(field) ? indent : `${indent}  `)}`;
    })
    .join('');
}
