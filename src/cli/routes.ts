/**
 * `sideroute routes export`: writes the routes and Services of a cluster as ConfigMaps with route files.
 *
 * For clusters without the controller: `kubectl get httproutes,grpcroutes,services -A -o yaml | sideroute routes export
 * --namespace shop`.
 */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { VOLUME_PARTS } from '../config/route-volume.ts';
import { ProxyError, unexpected } from '../errors.ts';
import { readClusterObjects, type ClusterObject } from '../export/cluster-objects.ts';
import { configMapsFor, emptyParts, MAX_DATA_BYTES, type ConfigMap } from '../export/config-maps.ts';
import { missingServices, namespacesOf, neededBy, routesElsewhere } from '../export/route-export.ts';
import { filesGiven, readInput } from './manifest-input.ts';
import { argument, filenameOption, manifestOutputOption, type OutputFormat } from './options.ts';
import { writeManifests } from './output.ts';
import { writeNote } from './standard-streams.ts';

interface ExportOptions {
  readonly filename: readonly string[];
  readonly namespace: readonly string[];
  readonly allNamespaces?: boolean;
  readonly configMap: string;
  readonly maxBytes: number;
  readonly output: OutputFormat;
}

/** A smaller limit would not hold a route. */
const MIN_DATA_BYTES = 1_000;

export function registerRoutes(program: Command): void {
  const routes = program.command('routes').description('route files for pods');
  routes
    .command('export')
    .description(
      'make ConfigMaps with route files from the output of kubectl get httproutes,grpcroutes,services -A -o yaml',
    )
    .argument('[files...]', 'output of kubectl in YAML or JSON; - or none: standard input')
    .addOption(filenameOption('the same as an argument; - for standard input; may be repeated'))
    .option(
      '--namespace <name>',
      'namespace with client pods; may be repeated',
      (text: string, all: readonly string[]) => [...all, argument(namespaceName)(text)],
      [],
    )
    .option('--all-namespaces', 'every namespace with a route or a Service in the input')
    .option('--config-map <name>', 'name of the ConfigMaps', argument(configMapName), 'sideroute-routes')
    .addOption(
      new Option(
        '--max-bytes <n>',
        'size limit of the route file in a ConfigMap; larger ones are split into several ConfigMaps',
      )
        .argParser(dataBytes)
        .default(MAX_DATA_BYTES),
    )
    .addOption(manifestOutputOption())
    .action(async (files: readonly string[], options: ExportOptions) => {
      checkNamespaces(options);
      const others = new Map<string, number>();
      const objects = (await readInput(filesGiven(files, options.filename))).flatMap(({ name, text }) =>
        readClusterObjects(name, text, others),
      );
      const chosen = options.allNamespaces === true ? namespacesOf(objects) : [...new Set(options.namespace)];
      for (const line of leftOut(objects, others)) writeNote(`sideroute: ${line}\n`);
      const configMaps = chosen.flatMap((namespace) => {
        const { configMap: name, maxBytes } = options;
        const parts = configMapsFor(namespace, name, neededBy(namespace, objects), maxBytes);
        if (parts.length > 1) writeNote(`sideroute: ${splitNote(namespace, parts, name)}\n`);
        return [...parts, ...emptyParts(namespace, name, parts.length)];
      });
      writeManifests(options.output, configMaps);
    });
}

/** A forgotten flag must not result in a ConfigMap in every namespace of the cluster. */
function checkNamespaces({ namespace, allNamespaces = false }: ExportOptions): void {
  if (allNamespaces !== namespace.length > 0) return;
  throw new ProxyError(
    'invalid-setting',
    allNamespaces
      ? '--all-namespaces and --namespace exclude each other'
      : 'say for which namespaces of client pods: --namespace NAME, which may be repeated, or --all-namespaces',
  );
}

/** Objects of the input that are in none of the ConfigMaps, and the reverse. */
function leftOut(objects: readonly ClusterObject[], others: ReadonlyMap<string, number>): string[] {
  const lines = missingServices(objects).map(
    (name) => `the Service ${name} is not in the input: DNS will be asked for its address`,
  );
  const elsewhere = routesElsewhere(objects);
  if (elsewhere.length > 0) {
    lines.push(`left out, for no parent of them is a Service: ${counted(elsewhere.map(({ kind }) => kind))}`);
  }
  if (others.size > 0) {
    const kinds = [...others].flatMap(([kind, count]) => Array.from({ length: count }, () => kind));
    lines.push(`left out, for a sidecar reads nothing of that kind: ${counted(kinds)}`);
  }
  if (objects.length === 0) lines.push('there is no route or Service in this input');
  return lines;
}

/** `HTTPRoute (2), TLSRoute`. */
function counted(kinds: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const kind of kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([kind, count]) => (count === 1 ? kind : `${kind} (${count})`)).join(', ');
}

function splitNote(namespace: string, parts: readonly ConfigMap[], name: string): string {
  const names = parts.map(({ metadata }) => metadata.name);
  const what = `the routes for namespace ${namespace} take ${parts.length} ConfigMaps, ${names.join(', ')}`;
  if (parts.length > VOLUME_PARTS) {
    return `${what}: more than pods mount by default. Give them all of these, or routes are missing: sideroute.dev/config-map: ${names.join(',')}`;
  }
  return `${what}: pods have to mount them all, as the manifests, the chart and sideroute inject do for ${name}`;
}

function namespaceName(text: string): string {
  if (/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text)) return text;
  throw unexpected(text, 'a namespace name');
}

function configMapName(text: string): string {
  // Leaves room for the number that is appended.
  if (/^[a-z0-9]([-a-z0-9.]{0,240}[a-z0-9])?$/.test(text)) return text;
  throw unexpected(text, 'the name of a ConfigMap');
}

function dataBytes(text: string): number {
  const value = /^\d{1,7}$/.test(text) ? Number(text) : NaN;
  if (value >= MIN_DATA_BYTES && value <= MAX_DATA_BYTES) return value;
  throw new InvalidArgumentError(`It must be a whole number from ${MIN_DATA_BYTES} to ${MAX_DATA_BYTES}.`);
}
