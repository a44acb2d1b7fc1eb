/** `sideroute explain`: which rule a request would match and why, based on the tables a sidecar would use. */
import { existsSync } from 'node:fs';
import { Option, type Command } from 'commander';
import { PROXY_SETTINGS } from '../config/settings.ts';
import { backendProtocol, serviceKey, tcpPort } from '../config/support.ts';
import { ProxyError } from '../errors.ts';
import type { Backend, FieldLine } from '../routing/decision.ts';
import {
  callName,
  grpcCall,
  headerLine,
  requestHead,
  requestMethod,
  requestTarget,
  servicePortName,
  type ServicePortName,
} from '../routing/explain-request.ts';
import { explainService } from '../routing/explain.ts';
import { formatExplanation } from '../routing/format-explanation.ts';
import { compileTable } from '../routing/table.ts';
import { askAdmin, askText } from './admin-client.ts';
import { paint } from './colors.ts';
import { filesGiven, refuseTwice } from './manifest-input.ts';
import {
  adminOption,
  argument,
  filenameOption,
  outputOption,
  type AdminAddress,
  type OutputFormat,
} from './options.ts';
import { askPods, podArgument, podOptions, refuseWithoutPod } from './pod-admin.ts';
import { readRouteInputs, type RouteInput } from './route-input.ts';
import { writeResult } from './output.ts';
import { writeNote } from './standard-streams.ts';

/** The default directory of a sidecar. */
const MOUNTED_ROUTES = PROXY_SETTINGS.find(({ key }) => key === 'routes')!.fallback!;

interface ExplainOptions {
  /** Both options give the location of the routes. */
  readonly routes?: readonly string[];
  readonly filename: readonly string[];
  readonly admin: AdminAddress;
  readonly all?: boolean;
  readonly service: ServicePortName;
  readonly namespace?: string;
  readonly method: string;
  readonly path: string;
  /** `Service/Method`. */
  readonly grpc?: string;
  readonly header: readonly FieldLine[];
  readonly output: OutputFormat;
}

/** Backends according to the route files: addresses from Service documents, otherwise resolved by DNS at run time. */
function backendFrom({ attachment }: RouteInput): (namespace: string, name: string, port: number) => Backend {
  const backends = new Map<string, Backend>();
  return (namespace, name, port) => {
    const key = `${namespace}/${name}:${port}`;
    let backend = backends.get(key);
    if (backend === undefined) {
      const service = attachment.services.get(serviceKey(namespace, name));
      const addresses = service?.clusterIPs ?? [];
      const declared = service === undefined ? undefined : tcpPort(service, port);
      const state = 'resolved' as const;
      backend = {
        namespace,
        name,
        port,
        key,
        id: backends.size,
        addresses: addresses.length > 0 ? addresses : ['(from DNS)'],
        state,
        protocol: backendProtocol(declared?.appProtocol ?? null),
      };
      backends.set(key, backend);
    }
    return backend;
  };
}

/** The input for one pod. When several volumes are given, that of the given namespace. */
async function readInput(routes: readonly string[], namespace: string | undefined): Promise<RouteInput> {
  const { inputs, skipped } = await readRouteInputs(routes, namespace ?? null);
  const volumes = inputs.filter(({ title }) => title !== '');
  const [only, ...others] = volumes.length > 0 ? volumes : inputs;
  if (only !== undefined && others.length === 0) return only;
  const of = volumes.map(({ namespace: name }) => name ?? 'none').join(', ');
  const what = skipped.length > 0 ? `ConfigMaps of namespace ${namespace ?? ''}` : 'routes';
  throw only === undefined
    ? new ProxyError('no-routes', `there are no ${what} in what is given`)
    : new ProxyError(
        'invalid-setting',
        `there are ConfigMaps of several namespaces (${of}): name one with --namespace`,
      );
}

/** In the container of a sidecar the default is the sidecar's own directory. @throws ProxyError `invalid-setting` */
function routesOf(command: Command, { routes = [], filename }: ExplainOptions): readonly string[] {
  // A flag takes precedence over the variable, which is set in the container of a sidecar.
  const isVariable = command.getOptionValueSource('routes') === 'env';
  const given = isVariable && filename.length > 0 ? filename : filesGiven(routes, filename);
  if (given.length > 0) return given;
  if (existsSync(MOUNTED_ROUTES)) return [MOUNTED_ROUTES];
  const what = `there are no routes in ${MOUNTED_ROUTES}, as there are in a pod: say where they are, -f PATH`;
  throw new ProxyError('invalid-setting', `${what}, or name a pod of the cluster, sideroute explain deploy/NAME`);
}

export function registerExplain(program: Command): void {
  const command = program
    .command('explain')
    .description('print which rule a request would match, why, and where it would go')
    .addArgument(podArgument())
    .addOption(
      new Option(
        '--routes <path>',
        'directory or file of routes, as for check; - for standard input; may be repeated; default: those of the pod this runs in',
      )
        .env('SIDEROUTE_ROUTES')
        .argParser((path: string, all: readonly string[] | undefined) => [...(all ?? []), path]),
    )
    .addOption(filenameOption('the same as --routes; may be repeated'))
    .requiredOption('--service <name.namespace:port>', 'the Service the request is sent to', argument(servicePortName))
    .addOption(
      new Option(
        '-n, --namespace <name>',
        'namespace of the client pod: whose consumer routes apply, and of documents that name none',
      ).env('POD_NAMESPACE'),
    )
    .option('--method <method>', 'method of the request', argument(requestMethod), 'GET')
    .option('--path <target>', 'path of the request, with its query', argument(requestTarget), '/')
    .addOption(
      new Option('--grpc <service/method>', 'a gRPC call, instead of a request with --method and --path')
        .argParser(argument(callName))
        .conflicts(['method', 'path']),
    )
    .option(
      '-H, --header <line>',
      "a header field of the request, 'name: value'; may be repeated",
      (text: string, all: readonly FieldLine[]) => [...all, argument(headerLine)(text)],
      [],
    )
    .addOption(adminOption())
    .addOption(outputOption());
  for (const option of podOptions()) command.addOption(option);
  command.action(async (pod: string | undefined, options: ExplainOptions) => {
    if (pod !== undefined) return askSidecar(command, pod, options);
    refuseWithoutPod(command, options.all === true);
    return explainFiles(routesOf(command, options), options);
  });
}

/** The sidecar explains the request with the tables it serves from. */
async function askSidecar(command: Command, pod: string, options: ExplainOptions): Promise<void> {
  if (command.getOptionValueSource('routes') === 'cli' || options.filename.length > 0) {
    throw new ProxyError('invalid-setting', '--routes (-f) and a pod exclude each other: the sidecar knows its routes');
  }
  const { service, grpc, header, output, method, path } = options;
  const parameters: [string, string][] = [
    ['service', `${service.name}.${service.namespace}:${service.port}`],
    ...(grpc === undefined ? [['method', method] as [string, string], ['path', path] as [string, string]] : []),
    ...(grpc === undefined ? [] : [['grpc', grpc] as [string, string]]),
    // The flag has converted UTF-8 to bytes, and the endpoint does it again; so this undoes it.
    ...header.map(({ name, value }): [string, string] => [
      'header',
      `${name}:${Buffer.from(value, 'latin1').toString('utf8')}`,
    ]),
    ['format', output === 'table' ? 'text' : 'json'],
  ];
  const url = `/explain?${parameters.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')}`;
  await askPods<unknown>(command, pod, options, {
    ask: (admin) => (output === 'table' ? askText(admin, url) : askAdmin(admin, url)),
    text: (answer) => inColours(String(answer)),
  });
}

async function explainFiles(routes: readonly string[], options: ExplainOptions): Promise<void> {
  refuseTwice(routes);
  const input = await readInput(routes, options.namespace);
  const ids = new Map<string, number>();
  const table = compileTable(input.attachment, {
    frontendId: (key) => ids.get(key) ?? ids.set(key, ids.size).size - 1,
    internBackend: backendFrom(input),
    internSeries: () => 0,
  });
  const { service, method, path, grpc, header } = options;
  const request = grpc === undefined ? { method, path, headers: header } : grpcCall(grpc, header);
  const explanation = explainService(table, service, requestHead(request), request.headers);
  writeResult(options.output, explanation, () => inColours(formatExplanation(explanation)));
  const errors = input.problems.filter((problem) => problem.severity === 'error').length;
  if (errors > 0) {
    writeNote(`sideroute: the route files have ${errors} errors; see sideroute check ${routes.join(' ')}\n`);
  }
}

function inColours(explanation: string): string {
  return `${explanation.trimEnd().replace(/^Winner.*/m, (line) => paint('green', line))}\n`;
}
