/** `sideroute check DIR`: validate route files; exit status 1 when there are errors. */
import type { Command } from 'commander';
import { problemText } from '../gateway-api/problem-text.ts';
import type { Problem } from '../gateway-api/types.ts';
import { namespaceOption, outputOption, type OutputFormat } from './options.ts';
import { readRouteInput, type RouteInput } from './route-input.ts';
import { writeOutput } from './standard-streams.ts';

interface CheckOptions {
  readonly namespace?: string;
  readonly output: OutputFormat;
}

function formatHuman({ snapshot, attachment, problems }: RouteInput): string {
  const lines = problems.map(problemText);
  if (lines.length > 0) lines.push('');
  for (const { routeKind, namespace, name, parent, type, status, reason, message } of attachment.conditions) {
    const route = `${routeKind} ${namespace}/${name}${parent === '' ? '' : ` -> ${parent}`}`;
    lines.push(`${route}: ${type}=${status} ${reason}${message === '' ? '' : `: ${message}`}`);
  }
  const count = (severity: Problem['severity']): number =>
    problems.filter((problem) => problem.severity === severity).length;
  const notes = count('note');
  const routes = snapshot.resources.filter((resource) => resource.kind === 'HTTPRoute').length;
  lines.push(
    `${routes} routes, ${attachment.services.size} Services, ${attachment.frontends.length} frontends; ` +
      `${count('error')} errors, ${count('warning')} warnings${notes === 0 ? '' : `, ${notes} notes`}`,
  );
  return `${lines.join('\n')}\n`;
}

function formatJson({ snapshot, attachment, problems }: RouteInput): string {
  const frontends = attachment.frontends.map(({ key, mode, consumer, rules }) => ({
    key,
    mode,
    consumer,
    rules: rules.length,
  }));
  return `${JSON.stringify({ hash: snapshot.hash, problems, conditions: attachment.conditions, frontends }, null, 2)}\n`;
}

export function registerCheck(program: Command): void {
  program
    .command('check')
    .description('validate route files; exit status 1 when there are errors')
    .argument('<dir>', 'directory of route files')
    .addOption(namespaceOption())
    .addOption(outputOption())
    .action(async (directory: string, options: CheckOptions) => {
      const input = await readRouteInput(directory, options.namespace ?? null);
      writeOutput(options.output === 'json' ? formatJson(input) : formatHuman(input));
      if (input.problems.some((problem) => problem.severity === 'error')) process.exitCode = 1;
    });
}
