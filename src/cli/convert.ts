/**
 * `sideroute convert`: converts rules of Istio and Linkerd to HTTPRoutes, and reports all differences on standard
 * error.
 *
 * Exit status 0: the routes are equivalent; 1: something differs, is left out, or cannot be read.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Conversion } from '../convert/convert.ts';
import { ProxyError } from '../errors.ts';
import { problemText } from '../gateway-api/problem-text.ts';
import { filesGiven, readInput, STANDARD_INPUT } from './manifest-input.ts';
import { filenameOption, manifestOutputOption, type OutputFormat } from './options.ts';
import { writeManifests } from './output.ts';
import { writeNote } from './standard-streams.ts';

interface ConvertOptions {
  readonly filename: readonly string[];
  readonly namespace: string;
  readonly output: OutputFormat;
  readonly quiet?: boolean;
}

const MANIFEST = /\.(?:ya?ml|json)$/;

export function registerConvert(program: Command): void {
  program
    .command('convert')
    .description(
      'convert Istio VirtualServices and Linkerd ServiceProfiles to HTTPRoutes; exit status 1 if something cannot be converted',
    )
    .argument('[files...]', 'files, directories of manifests; - or none: standard input')
    .addOption(filenameOption('the same as an argument; may be repeated'))
    .option('--namespace <name>', 'namespace of documents that name none', 'default')
    .addOption(manifestOutputOption())
    .option('--quiet', 'report only what differs, without notes')
    .action(async (named: readonly string[], options: ConvertOptions) => {
      const paths = filesGiven(named, options.filename);
      const files = (await Promise.all(paths.map(filesOf))).flat();
      if (paths.length > 0 && files.length === 0) {
        throw new ProxyError('unreadable-input', `${paths.join(', ')}: no file there ends in .yaml, .yml or .json`);
      }
      const inputs = await readInput(files);
      // Loaded on demand: no other command needs it.
      const { convert } = await import('../convert/convert.ts');
      const conversion = convert(inputs, options.namespace);
      report(conversion, options.quiet === true);
      writeManifests(options.output, conversion.documents);
    });
}

/** Files of a directory, sorted by name. Subdirectories are ignored. */
async function filesOf(path: string): Promise<string[]> {
  if (path === STANDARD_INPUT) return [path];
  try {
    if (!(await stat(path)).isDirectory()) return [path];
    return (await readdir(path))
      .filter((name) => MANIFEST.test(name))
      .sort()
      .map((name) => join(path, name));
  } catch (error) {
    throw new ProxyError('unreadable-input', `${path}: cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

function report({ problems, documents, read }: Conversion, quiet: boolean): void {
  const told = quiet ? problems.filter(({ severity }) => severity !== 'note') : problems;
  for (const problem of told) writeNote(`${problemText(problem)}\n`);
  const count = (wanted: string): number => problems.filter(({ severity }) => severity === wanted).length;
  const of = (kind: string): number => documents.filter((document) => document['kind'] === kind).length;
  writeNote(
    `${read} read; ${of('HTTPRoute')} HTTPRoutes, ${of('Service')} Services; ${count('error')} errors, ` +
      `${count('warning')} differences, ${count('note')} notes\n`,
  );
  if (read === 0) {
    writeNote(`sideroute: there is no VirtualService or ServiceProfile in this input\n`);
  }
  if (read === 0 || problems.some(({ severity }) => severity !== 'note')) process.exitCode = 1;
}
