/**
 * `sideroute check [PATH...]`: validates route files, manifests that contain route files, or the routes of a cluster.
 * With --cluster it checks the cluster itself (`check-cluster.ts`).
 *
 * Exit status 1 when there are errors; with --strict also when there are warnings.
 */
import { Option, type Command } from 'commander';
import { isCarriedRoute } from '../config/support.ts';
import { problemText } from '../gateway-api/problem-text.ts';
import type { Problem } from '../gateway-api/types.ts';
import { accessOptions, targetFlags } from './cluster-access.ts';
import { condition, paintSeverity } from './colors.ts';
import { filesGiven, refuseTwice } from './manifest-input.ts';
import { filenameOption, outputOption, type OutputFormat } from './options.ts';
import { writeResult } from './output.ts';
import { readRouteInputs, type RouteInput, type RouteInputs } from './route-input.ts';
import type { Place } from './route-sources.ts';

interface CheckOptions {
  readonly filename: readonly string[];
  readonly namespace?: string;
  readonly strict?: boolean;
  readonly output: OutputFormat;
  readonly cluster?: boolean;
  readonly pre?: boolean;
  readonly kubeconfig?: string;
  readonly context?: string;
}

/** Maximum number of names in a sentence. */
const NAMES_SHOWN = 5;

function formatHuman({ inputs, skipped }: RouteInputs): string {
  const parts = inputs.map((input) => {
    const heading = inputs.length > 1 ? [`${input.title === '' ? 'Other files' : input.title}:`] : [];
    return [...heading, ...humanLines(input)].join('\n');
  });
  if (skipped.length > 0) parts.push(`not looked at, for they are of other namespaces: ConfigMap ${names(skipped)}`);
  return `${parts.join('\n\n')}\n`;
}

function humanLines({ resources, attachment, problems, unchecked, places }: RouteInput): string[] {
  const lines = problems.map((problem) => {
    const place = placeOf(problem, places);
    return paintSeverity(problemText(problem)) + (place === null ? '' : ` (at ${place.file}:${place.line})`);
  });
  if (lines.length > 0) lines.push('');
  for (const { routeKind, namespace, name, parent, type, status, reason, message } of attachment.conditions) {
    const route = `${routeKind} ${namespace}/${name}${parent === '' ? '' : ` -> ${parent}`}`;
    lines.push(`${route}: ${condition(type, status)} ${reason}${message === '' ? '' : `: ${message}`}`);
  }
  if (unchecked.length > 0) {
    const what =
      unchecked.length === 1 ? 'it is there, and which ports it has' : 'they are there, and which ports they have';
    lines.push(
      `not checked: no document tells of Service ${names(unchecked)}: whether ${what}, only the cluster knows`,
    );
  }
  const count = (severity: Problem['severity']): number =>
    problems.filter((problem) => problem.severity === severity).length;
  const notes = count('note');
  const routes = resources.filter(isCarriedRoute).length;
  lines.push(
    `${routes} routes, ${attachment.services.size} Services, ${attachment.frontends.length} frontends; ` +
      `${count('error')} errors, ${count('warning')} warnings${notes === 0 ? '' : `, ${notes} notes`}`,
  );
  return lines;
}

function names(all: readonly string[]): string {
  const more = all.length - NAMES_SHOWN;
  return `${all.slice(0, NAMES_SHOWN).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** The position of the line in the given file. */
function placeOf({ file, line }: Problem, places: RouteInput['places']): Place | null {
  const first = places.get(file);
  return first === undefined || line === null ? null : { file: first.file, line: first.line + line - 1 };
}

function jsonOf({ namespace, hash, attachment, problems, unchecked, places }: RouteInput) {
  return {
    namespace,
    hash,
    problems: problems.map((problem) => {
      const at = placeOf(problem, places);
      return at === null ? problem : { ...problem, at };
    }),
    conditions: attachment.conditions,
    frontends: attachment.frontends.map(({ key, mode, routeKind, consumer, rules }) => {
      return { key, mode, routeKind, consumer, rules: rules.length };
    }),
    unchecked,
  };
}

/** With several volumes: the problems of all, and each volume separately. */
function dataOf({ inputs, skipped }: RouteInputs): object {
  const each = inputs.map(jsonOf);
  const [only] = each;
  const together = {
    hash: null,
    problems: each.flatMap(({ problems }) => problems),
    conditions: each.flatMap(({ conditions }) => conditions),
    frontends: each.flatMap(({ frontends }) => frontends),
    unchecked: [...new Set(each.flatMap(({ unchecked }) => unchecked))],
    volumes: each,
  };
  return { ...(each.length === 1 ? only : together), skipped };
}

export function registerCheck(program: Command): void {
  const command = program
    .command('check')
    .description('validate route files, or check a cluster with --cluster; exit status 1 if there are errors')
    .argument('[paths...]', 'directories and files of routes, manifests with ConfigMaps of them; - for standard input')
    .addOption(filenameOption())
    .addOption(
      new Option(
        '-n, --namespace <name>',
        'namespace of the client pod: whose consumer routes apply, and of documents that name none; with --cluster: show only faults of this namespace and of the cluster as a whole',
      ).env('POD_NAMESPACE'),
    )
    .option('--strict', 'exit status 1 also when there are warnings')
    .addOption(outputOption())
    .option('--cluster', 'check the cluster of the kubeconfig: what prevents routes from working, and how to fix it')
    .option('--pre', 'with --cluster: check before sideroute is installed');
  for (const option of accessOptions()) command.addOption(option);
  command.action(async (named: readonly string[], options: CheckOptions) => {
    const paths = filesGiven(named, options.filename);
    if (options.cluster === true) {
      if (paths.length > 0) command.error(`error: --cluster takes no paths, and "${paths[0]!}" is one`);
      // Loaded on demand: validating files does not need it.
      const { checkCluster } = await import('./check-cluster.ts');
      const { output, pre = false, strict = false } = options;
      await checkCluster({ target: targetFlags(command), before: pre, strict, output });
      return;
    }
    for (const name of ['pre', 'kubeconfig', 'context'] as const) {
      if (options[name] !== undefined) command.error(`error: --${name} is about a cluster: add --cluster`);
    }
    if (paths.length === 0)
      command.error('error: name files or directories of routes, - for standard input, or --cluster');
    refuseTwice(paths);
    const found = await readRouteInputs(paths, options.namespace ?? null);
    writeResult(options.output, dataOf(found), () => formatHuman(found));
    const failing: readonly string[] = options.strict === true ? ['error', 'warning'] : ['error'];
    if (found.inputs.some(({ problems }) => problems.some(({ severity }) => failing.includes(severity)))) {
      process.exitCode = 1;
    }
  });
}
