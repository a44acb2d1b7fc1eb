/**
 * `sideroute diff`: shows what routes would change on a pod before they are applied.
 *
 * Stage before: the command line. Stage after: `make-diff.ts`, which only this command loads. Exit status as with
 * `kubectl diff`: 0: no difference; 1: differences; 2 and above: the comparison failed.
 */
import { Option, type Command } from 'commander';
import { ProxyError, unexpected } from '../errors.ts';
import { targetFlags } from './cluster-access.ts';
import { filesGiven } from './manifest-input.ts';
import { adminOption, argument, outputOption, type AdminAddress, type OutputFormat } from './options.ts';
import { podArgument, podNamespaceOption, podOptions, refuseWithoutPod } from './pod-admin.ts';

interface DiffOptions {
  readonly admin: AdminAddress;
  readonly filename: readonly string[];
  readonly without: readonly string[];
  readonly output: OutputFormat;
  readonly all?: boolean;
}

/** Exit status of a failure; 2 is for an invalid command line. */
const FAILED = 3;

function routeName(text: string): string {
  if (/^[a-z0-9][-a-z0-9]*\/[a-z0-9][-a-z0-9.]*$/.test(text)) return text;
  throw unexpected(text, 'NAMESPACE/NAME of a route');
}

export function registerDiff(program: Command): void {
  const command = program
    .command('diff')
    .description('show what would change on a pod if it got the routes of its cluster, with changes from files')
    .addArgument(podArgument())
    .addOption(
      new Option(
        '-f, --filename <path>',
        'routes and Services that take the place of those of the same name, before they are applied; a directory, a file, - for standard input; may be repeated',
      )
        .argParser((path: string, all: readonly string[]) => [...all, path])
        .default([]),
    )
    .addOption(
      new Option(
        '--without <namespace/name>',
        'show what would change if this route were deleted; nothing is deleted; may be repeated',
      )
        .argParser((name: string, all: readonly string[]) => [...all, argument(routeName)(name)])
        .default([]),
    )
    .addOption(adminOption())
    .addOption(outputOption())
    .addOption(podNamespaceOption());
  for (const option of podOptions()) command.addOption(option);
  command.action(async (pod: string | undefined, options: DiffOptions) => {
    try {
      if (pod === undefined) {
        refuseWithoutPod(command, options.all === true);
        if (options.filename.length === 0) {
          const what =
            'say what to compare with: -f FILE, which has all routes then, or a pod of the cluster, sideroute diff deploy/NAME';
          throw new ProxyError('invalid-setting', what);
        }
      }
      const { makeDiff } = await import('./make-diff.ts');
      await makeDiff({
        command,
        pod,
        files: filesGiven([], options.filename),
        without: options.without,
        admin: options.admin,
        output: options.output,
        all: options.all === true,
        target: targetFlags(command),
      });
    } catch (error) {
      // Status 1 is reserved for differences.
      if (error instanceof ProxyError && error.code !== 'invalid-setting') process.exitCode = FAILED;
      throw error;
    }
  });
}
