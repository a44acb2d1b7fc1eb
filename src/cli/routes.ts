/**
 * `sideroute routes export`: the routes and Services of a cluster in, ConfigMaps with route files out.
 *
 * For clusters without a controller that does this: `kubectl get httproutes,services -A -o yaml | sideroute routes export`.
 */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { ProxyError } from '../errors.ts';
import { readClusterObjects } from '../export/cluster-objects.ts';
import { configMapsFor, MAX_DATA_BYTES, yamlText, type ConfigMap } from '../export/config-maps.ts';
import { missingServices, namespacesOf, neededBy } from '../export/route-export.ts';
import { readInput } from './manifest-input.ts';
import { argument } from './options.ts';
import { writeNote, writeOutput } from './standard-streams.ts';

interface ExportOptions {
  readonly namespace: readonly string[];
  readonly configMap: string;
  readonly maxBytes: number;
  readonly output: 'yaml' | 'json';
}

/** Less than this does not hold a route. */
const MIN_DATA_BYTES = 1_000;

export function registerRoutes(program: Command): void {
  const routes = program.command('routes').description('route files for pods');
  routes
    .command('export')
    .description('make ConfigMaps of what kubectl get httproutes,services -A -o yaml prints, one for each namespace')
    .argument('[files...]', 'output of kubectl in YAML or JSON; - or none: standard input')
    .option(
      '--namespace <name>',
      'namespace with client pods; may be repeated (default: every namespace in the input)',
      (text: string, all: readonly string[]) => [...all, argument(namespaceName)(text)],
      [],
    )
    .option('--config-map <name>', 'name of the ConfigMaps', argument(configMapName), 'sideroute-routes')
    .addOption(
      new Option('--max-bytes <n>', 'size of the route file in a ConfigMap; what is larger is split into several')
        .argParser(dataBytes)
        .default(MAX_DATA_BYTES),
    )
    .addOption(new Option('-o, --output <format>', 'how to print them').choices(['yaml', 'json']).default('yaml'))
    .action(async (files: readonly string[], options: ExportOptions) => {
      const objects = (await readInput(files)).flatMap(({ name, text }) => readClusterObjects(name, text));
      const chosen = options.namespace.length > 0 ? [...new Set(options.namespace)] : namespacesOf(objects);
      const configMaps = chosen.flatMap((namespace) =>
        configMapsFor(namespace, options.configMap, neededBy(namespace, objects), options.maxBytes),
      );
      for (const name of missingServices(objects)) {
        writeNote(`sideroute: the Service ${name} is not in the input: DNS will be asked for its address\n`);
      }
      if (configMaps.length === 0) writeNote('sideroute: there is no HTTPRoute or Service in this input\n');
      writeOutput(options.output === 'json' ? jsonText(configMaps) : manifestText(configMaps));
    });
}

function manifestText(configMaps: readonly ConfigMap[]): string {
  return configMaps.map((configMap) => `---\n${yamlText(configMap)}`).join('');
}

function jsonText(configMaps: readonly ConfigMap[]): string {
  return `${JSON.stringify({ apiVersion: 'v1', kind: 'List', items: configMaps }, null, 2)}\n`;
}

function namespaceName(text: string): string {
  if (/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text)) return text;
  throw new ProxyError('invalid-setting', `got "${text}", expected a namespace name`);
}

function configMapName(text: string): string {
  // Room for the number behind it.
  if (/^[a-z0-9]([-a-z0-9.]{0,240}[a-z0-9])?$/.test(text)) return text;
  throw new ProxyError('invalid-setting', `got "${text}", expected the name of a ConfigMap`);
}

function dataBytes(text: string): number {
  const value = /^\d{1,7}$/.test(text) ? Number(text) : NaN;
  if (value >= MIN_DATA_BYTES && value <= MAX_DATA_BYTES) return value;
  throw new InvalidArgumentError(`It must be a whole number from ${MIN_DATA_BYTES} to ${MAX_DATA_BYTES}.`);
}
