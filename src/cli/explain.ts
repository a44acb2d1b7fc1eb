/** `sideroute explain`: which rule a request would match and why, on the tables the sidecar would serve it from. */
import { Option, type Command } from 'commander';
import { ProxyError } from '../errors.ts';
import type { Backend, RequestHead } from '../routing/decision.ts';
import { explain, findFrontend } from '../routing/explain.ts';
import { formatExplanation } from '../routing/format-explanation.ts';
import { compileTable } from '../routing/table.ts';
import { argument, namespaceOption, outputOption, type OutputFormat } from './options.ts';
import { readRouteInput, type RouteInput } from './route-input.ts';

interface ServicePortName {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}

interface ExplainOptions {
  readonly routes: string;
  readonly service: ServicePortName;
  readonly namespace?: string;
  readonly method: string;
  readonly path: string;
  readonly header: readonly HeaderLine[];
  readonly output: OutputFormat;
}

interface HeaderLine {
  readonly name: string;
  readonly value: string;
}

/** `my-server.devopssong:80`, also with `.svc` and a cluster domain behind it; the port defaults to 80. */
function servicePortName(text: string): ServicePortName {
  const match = /^([a-z0-9-]+)\.([a-z0-9-]+)(?:\.svc(?:\.[a-z0-9.-]+)?)?(?::(\d{1,5}))?$/.exec(text);
  const port = Number(match?.[3] ?? 80);
  if (match === null || port < 1 || port > 65535) {
    throw new ProxyError(
      'invalid-setting',
      `got "${text}", expected NAME.NAMESPACE:PORT, for instance my-server.devopssong:80`,
    );
  }
  return { name: match[1]!, namespace: match[2]!, port };
}

function headerLine(text: string): HeaderLine {
  const match = /^([A-Za-z0-9!#$%&'*+\-.^_`|~]+):[ \t]*(.*?)[ \t]*$/.exec(text);
  if (match === null) throw new ProxyError('invalid-setting', `got "${text}", expected 'name: value'`);
  return { name: match[1]!.toLowerCase(), value: match[2]! };
}

function requestTarget(text: string): string {
  if (!/^(\/|\*$)[^\s#]*$/.test(text)) {
    throw new ProxyError(
      'invalid-setting',
      `got "${text}", expected a path that starts with /, with or without a query`,
    );
  }
  return text;
}

function requestMethod(text: string): string {
  if (!/^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/.test(text))
    throw new ProxyError('invalid-setting', `got "${text}", expected a method`);
  return text;
}

/** A request head from what a person typed; UTF-8 becomes its bytes, as curl would send it. */
function requestHead({ method, path: target, header }: ExplainOptions): RequestHead {
  const toLatin1 = (text: string) => Buffer.from(text, 'utf8').toString('latin1');
  const question = target.indexOf('?');
  const values = new Map<string, string>();
  for (const { name, value } of header) {
    const known = values.get(name);
    values.set(name, known === undefined ? toLatin1(value) : `${known},${toLatin1(value)}`);
  }
  return {
    method,
    path: toLatin1(question === -1 ? target : target.slice(0, question)),
    query: question === -1 ? '' : toLatin1(target.slice(question + 1)),
    header: (name) => values.get(name) ?? null,
  };
}

/** Backends as the route files know them: addresses from Service documents, else left to DNS at run time. */
function backendFrom({ attachment }: RouteInput): (namespace: string, name: string, port: number) => Backend {
  const backends = new Map<string, Backend>();
  return (namespace, name, port) => {
    const key = `${namespace}/${name}:${port}`;
    let backend = backends.get(key);
    if (backend === undefined) {
      const addresses = attachment.services.get(`${namespace}/${name}`)?.clusterIPs ?? [];
      const state = 'resolved' as const;
      backend = {
        namespace,
        name,
        port,
        key,
        id: backends.size,
        addresses: addresses.length > 0 ? addresses : ['(from DNS)'],
        state,
      };
      backends.set(key, backend);
    }
    return backend;
  };
}

export function registerExplain(program: Command): void {
  program
    .command('explain')
    .description('print which rule a request would match, why, and where it would go')
    .addOption(new Option('--routes <dir>', 'directory of route files').env('SIDEROUTE_ROUTES').makeOptionMandatory())
    .requiredOption('--service <name.namespace:port>', 'the Service the request is sent to', argument(servicePortName))
    .addOption(namespaceOption())
    .option('--method <method>', 'method of the request', argument(requestMethod), 'GET')
    .option('--path <path>', 'path of the request, with its query', argument(requestTarget), '/')
    .option(
      '-H, --header <line>',
      "a header field of the request, 'name: value'; may be repeated",
      (text: string, all: readonly HeaderLine[]) => [...all, argument(headerLine)(text)],
      [],
    )
    .addOption(outputOption())
    .action(async (options: ExplainOptions) => {
      const input = await readRouteInput(options.routes, options.namespace ?? null);
      const ids = new Map<string, number>();
      const table = compileTable(input.attachment, {
        frontendId: (key) => ids.get(key) ?? ids.set(key, ids.size).size - 1,
        internBackend: backendFrom(input),
        internSeries: () => 0,
      });
      const { namespace, name, port } = options.service;
      const explanation = explain(findFrontend(table, namespace, name, port), requestHead(options));
      process.stdout.write(
        options.output === 'json'
          ? `${JSON.stringify(explanation, null, 2)}\n`
          : `${formatExplanation(explanation).trimEnd()}\n`,
      );
      const errors = input.problems.filter((problem) => problem.severity === 'error').length;
      if (errors > 0)
        process.stderr.write(
          `sideroute: the route files have ${errors} errors; see sideroute check ${options.routes}\n`,
        );
    });
}
