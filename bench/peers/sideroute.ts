/**
 * sideroute: its whole path with its defaults: redirected connections, routes of a ConfigMap, limits, metrics, access
 * log of errors.
 */
import { join } from 'node:path';
import { SIDEROUTE } from '../../test/support/sidecar.ts';
import {
  backendOf,
  prefixOf,
  rulesOf,
  SERVICE,
  TCP_PORT,
  V1,
  V2,
  type Peer,
  type Place,
  type Setting,
} from './peer.ts';

/** The maximum that a route may have. */
const RULES_OF_A_ROUTE = 16;
/** A ConfigMap holds one mebibyte; several files together may have more. */
const ROUTES_OF_A_FILE = 250;

function service(name: string, clusterIP: string, ports: string): string {
  return `apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: bench }
spec: { clusterIP: ${clusterIP}, ports: [${ports}] }
`;
}

function route(name: string, rules: readonly string[]): string {
  return `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: ${name}, namespace: bench }
spec:
  parentRefs: [{ group: "", kind: Service, name: web, port: 80 }]
  rules:
${rules.join('')}`;
}

const rule = (backend: string, match?: string): string =>
  `    - ${match === undefined ? '' : `matches: [{ ${match} }]\n      `}backendRefs: [{ name: ${backend}, port: 80 }]\n`;

function routes(setting: Setting): string[] {
  if (setting.protocol === 'h2c') return [route('web', [rule('v1')])];
  if (setting.rules === 1) return [route('web', [rule('v2', 'headers: [{ name: version, value: new }]'), rule('v1')])];
  const rules = rulesOf(setting).map((number) =>
    rule(backendOf(number), `path: { type: PathPrefix, value: ${prefixOf(number)} }`),
  );
  return Array.from({ length: Math.ceil(rules.length / RULES_OF_A_ROUTE) }, (_, index) =>
    route(`web-${index}`, rules.slice(index * RULES_OF_A_ROUTE, (index + 1) * RULES_OF_A_ROUTE)),
  );
}

function routeFiles(setting: Setting): Record<string, string> {
  const port = setting.protocol === 'h2c' ? '{ port: 80, appProtocol: kubernetes.io/h2c }' : '{ port: 80 }';
  const all = routes(setting);
  const files = Array.from({ length: Math.ceil(all.length / ROUTES_OF_A_FILE) }, (_, index) => [
    `routes-${index}.yaml`,
    all.slice(index * ROUTES_OF_A_FILE, (index + 1) * ROUTES_OF_A_FILE).join('---\n'),
  ]);
  return {
    'services.yaml': [
      service('web', SERVICE, `{ name: http, port: 80 }, { name: tcp, port: ${TCP_PORT} }`),
      service('v1', V1, port),
      service('v2', V2, port),
    ].join('---\n'),
    ...(Object.fromEntries(files) as Record<string, string>),
  };
}

/** The same options as NODE_OPTIONS in the manifests. */
export const HEAP = ['--max-old-space-size=128', '--max-semi-space-size=2'] as const;

/** The first words of a command line, for this program or another one. */
export function startOf(program: string = SIDEROUTE[2]): string[] {
  return [process.execPath, ...HEAP, program];
}

export interface SiderouteOptions {
  readonly engine?: 'native' | 'uws';
  /** Instead of what the setting says. */
  readonly accessLog?: string | undefined;
  /** Another program. */
  readonly start?: readonly string[] | undefined;
}

/** The files are those of the volume; `ConfigMapMount` lays them out as kubelet does. */
export function sideroute({ directory, port, setting }: Place, options: SiderouteOptions = {}): Peer {
  const { engine = 'native', accessLog = setting.accessLog ? 'all' : undefined, start = startOf() } = options;
  return {
    name: `sideroute ${engine}`,
    files: routeFiles(setting),
    command: [
      ...[...start, 'proxy', '--routes', join(directory, 'routes'), '--namespace', 'bench', '--drain-quiet', '0s'],
      ...['--capture', `127.0.0.1:${port}`, '--metrics', `127.0.0.1:${port + 100}`],
      ...['--admin', `127.0.0.1:${port + 200}`, '--log-level', 'error'],
      ...(engine === 'native' ? [] : ['--engine', engine]),
      ...(accessLog === undefined ? [] : ['--access-log', accessLog]),
    ],
  };
}
