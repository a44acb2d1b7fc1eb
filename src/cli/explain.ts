/** `sideroute explain`: which rule a request would match and why, on the tables the sidecar would serve it from. */
import { Option, type Command } from 'commander';
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
import { refuseTwice } from './manifest-input.ts';
import { argument, namespaceOption, outputOption, type OutputFormat } from './options.ts';
import { readRouteInputs, type RouteInput } from './route-input.ts';
import { writeResult } from './output.ts';
import { writeNote } from './standard-streams.ts';

interface ExplainOptions {
  readonly routes: readonly string[];
  readonly service: ServicePortName;
  readonly namespace?: string;
  readonly method: string;
  readonly path: string;
  /** `Service/Method`. */
  readonly grpc?: string;
  readonly header: readonly FieldLine[];
  readonly output: OutputFormat;
}

/** Backends as the route files know them: addresses from Service documents, else left to DNS at run time. */
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

/** Those of one pod: where several volumes are given, those of the namespace that is named. */
async function readInput({ routes, namespace }: ExplainOptions): Promise<RouteInput> {
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

export function registerExplain(program: Command): void {
  program
    .command('explain')
    .description('print which rule a request would match, why, and where it would go')
    .addOption(
      new Option('--routes <path>', 'directory or file of routes, as for check; - for standard input; may be repeated')
        .env('SIDEROUTE_ROUTES')
        .argParser((path: string, all: readonly string[] | undefined) => [...(all ?? []), path])
        .makeOptionMandatory(),
    )
    .requiredOption('--service <name.namespace:port>', 'the Service the request is sent to', argument(servicePortName))
    .addOption(namespaceOption())
    .option('--method <method>', 'method of the request', argument(requestMethod), 'GET')
    .option('--path <target>', 'path of the request, with its query', argument(requestTarget), '/')
    .addOption(
      new Option('--grpc <service/method>', 'a call of gRPC instead of a request with --method and --path')
        .argParser(argument(callName))
        .conflicts(['method', 'path']),
    )
    .option(
      '-H, --header <line>',
      "a header field of the request, 'name: value'; may be repeated",
      (text: string, all: readonly FieldLine[]) => [...all, argument(headerLine)(text)],
      [],
    )
    .addOption(outputOption())
    .action(async (options: ExplainOptions) => {
      refuseTwice(options.routes);
      const input = await readInput(options);
      const ids = new Map<string, number>();
      const table = compileTable(input.attachment, {
        frontendId: (key) => ids.get(key) ?? ids.set(key, ids.size).size - 1,
        internBackend: backendFrom(input),
        internSeries: () => 0,
      });
      const { service, method, path, grpc, header } = options;
      const request = grpc === undefined ? { method, path, headers: header } : grpcCall(grpc, header);
      const explanation = explainService(table, service, requestHead(request), request.headers);
      writeResult(options.output, explanation, () => `${formatExplanation(explanation).trimEnd()}\n`);
      const errors = input.problems.filter((problem) => problem.severity === 'error').length;
      if (errors > 0)
        writeNote(
          `sideroute: the route files have ${errors} errors; see sideroute check ${options.routes.join(' ')}\n`,
        );
    });
}
