/**
 * A machine with only Node and npm: the repository is hidden, the PATH has no other program, home is empty, and there
 * is no network except loopback. Needs root, for namespaces.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runCommand, type CommandResult } from './cluster.ts';
import { program, ROOT } from './manifests.ts';
import { temporaryDirectory } from './sidecar.ts';

export interface EmptyMachine {
  /** Where scripts are run, which is all that is left of them. */
  readonly directory: string;
  /** Of npm: programs that were installed are in its `bin`. */
  readonly prefix: string;
  /** Runs a script of sh, up to its first failure. */
  readonly run: (script: string, input?: string) => CommandResult;
  readonly write: (name: string, text: string) => void;
  readonly read: (name: string) => string;
  readonly remove: () => void;
}

/** npm's own program, because `npm` on the PATH may be a wrapper. */
function npmProgram(): string {
  const running = process.env['npm_execpath'] ?? '';
  if (running.endsWith('.js') && existsSync(running)) return running;
  const found = program('npm');
  if (found === null) throw new Error('there is no npm on the PATH');
  return realpathSync(found);
}

export function emptyMachine(): EmptyMachine {
  const { path, remove } = temporaryDirectory();
  const [tools, home, prefix, directory] = ['tools', 'home', 'prefix', 'work'].map((name) => join(path, name)) as [
    string,
    string,
    string,
    string,
  ];
  for (const each of [tools, home, prefix, directory]) mkdirSync(each);
  symlinkSync(process.execPath, join(tools, 'node'));
  symlinkSync(npmProgram(), join(tools, 'npm'));
  // What kubectl does with a name that is not one of its commands.
  writeFileSync(join(tools, 'kubectl'), '#!/bin/sh\nname=$1\nshift\nexec "kubectl-$name" "$@"\n');
  chmodSync(join(tools, 'kubectl'), 0o755);
  const environment = [
    `HOME=${home}`,
    `PATH=${join(prefix, 'bin')}:${tools}`,
    `npm_config_prefix=${prefix}`,
    'npm_config_offline=true',
    'npm_config_update_notifier=false',
  ];
  const hidden = [ROOT, join(dirname(process.execPath), '..', 'include')].filter((each) => existsSync(each));
  const hide = hidden.map((each) => `mount -t tmpfs none '${realpathSync(each)}'`).join(' && ');
  return {
    directory,
    prefix,
    remove,
    run: (script, input) =>
      runCommand(
        'unshare',
        [
          ...['--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc'],
          ...['sh', '-c', `${hide} && ip link set lo up && cd "$1" && shift && exec env -i "$@"`, 'sh', directory],
          ...[...environment, '/bin/sh', '-euc', script],
        ],
        input,
      ),
    write: (name, text) => {
      mkdirSync(dirname(join(directory, name)), { recursive: true });
      writeFileSync(join(directory, name), text);
    },
    read: (name) => readFileSync(join(directory, name), 'utf8'),
  };
}
