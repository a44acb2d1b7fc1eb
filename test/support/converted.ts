/** Converted rules, as a sidecar would apply them. */
import { attach } from '../../src/config/attach.ts';
import { parseRoutes } from '../../src/config/route-parser.ts';
import { convert, type Conversion } from '../../src/convert/convert.ts';
import { decide } from '../../src/routing/decide.ts';
import { findFrontend } from '../../src/routing/explain.ts';
import { rewritePath } from '../../src/routing/filters/url-rewrite.ts';
import { compileTable } from '../../src/routing/table.ts';
import { requestHead, testDeps } from './routes.ts';
import type { Request } from './virtual-service-reference.ts';

export interface Answer {
  /** `namespace/name:port`, or the reason of a reply of sideroute. */
  readonly to: string;
  readonly path: string;
}

/** Sends requests of pods in `client` to `service`, `namespace/name:port`. */
export function served({ documents }: Conversion, service: string, client = 'default'): (request: Request) => Answer {
  const text = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: documents });
  const { resources } = parseRoutes('converted.json', text, client);
  const deps = testDeps();
  const table = compileTable(attach({ resources, namespace: client }), deps);
  const [, namespace, name, port] = /^(.*)\/(.*):(\d+)$/.exec(service)!;
  const frontend = findFrontend(table, namespace!, name!, Number(port));
  return ({ method, path, headers, queryParams }) => {
    if (frontend === null) return { to: 'original', path };
    const query = Object.entries(queryParams).map(([key, value]) => `${key}=${value}`);
    const head = requestHead({
      method,
      target: query.length === 0 ? path : `${path}?${query.join('&')}`,
      headers: Object.entries(headers),
    });
    const decision = decide(table, frontend.id, head);
    if (decision.kind !== 'forward') return { to: decision.kind === 'local' ? decision.reason : decision.kind, path };
    return { to: decision.backend.key, path: rewritePath(decision.plan?.path ?? null, path) };
  };
}

/** Converts documents given as objects. */
export function converted(documents: readonly object[], namespace = 'default'): Conversion {
  const text = documents.map((document) => JSON.stringify(document)).join('\n---\n');
  return convert([{ name: 'input.yaml', text }], namespace);
}

export function service(name: string, port = 80, namespace = 'default'): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { selector: { app: name }, ports: [{ name: 'http', port, targetPort: 8080 }] },
  };
}

export function virtualService(http: readonly object[], rest: object = {}, name = 'web'): object {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name },
    spec: { hosts: ['web'], http, ...rest },
  };
}
