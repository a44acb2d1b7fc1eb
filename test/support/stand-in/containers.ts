/**
 * Containers of a pod that is a network namespace: a mount namespace with its own read-only root, the volumes mounted
 * as in the manifest, and the manifest's user and capabilities. Programs are those of this machine. The programs of
 * each image are listed here, so that a command that the real image lacks fails.
 */
// Needs: busybox.
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readingCapabilities, type Pod } from '../cluster.ts';
import { program, type Container } from '../manifests.ts';
import { SIDEROUTE } from '../sidecar.ts';
import { CommandError } from './objects.ts';

const INIT_ENTRYPOINT = [process.execPath, fileURLToPath(new URL('../../../bin/sideroute-init.js', import.meta.url))];

/**
 * By the last part of the image's name, without its tag: the command by default, and what `exec` can start (null:
 * anything).
 */
const IMAGES: Readonly<Record<string, { entrypoint: readonly string[]; programs: readonly string[] | null }>> = {
  sideroute: { entrypoint: SIDEROUTE, programs: ['sideroute', 'node'] },
  'sideroute-init': { entrypoint: INIT_ENTRYPOINT, programs: ['sideroute', 'node', 'iptables-nft', 'setpriv'] },
  busybox: { entrypoint: ['sh'], programs: null },
  curl: { entrypoint: ['curl'], programs: null },
};

/** Tools of images that a Debian machine has only as part of busybox. */
const BUSYBOX_TOOLS = ['httpd', 'wget', 'nc'];

function imageOf(image: string): (typeof IMAGES)[string] {
  const name = image.replace(/[:@][^/]*$/, '').replace(/^.*\//, '');
  const found = IMAGES[name];
  if (found === undefined) throw new CommandError(`the stand-in does not know what the image ${image} holds`);
  return found;
}

/** $1: directory for the root; $2: programs of busybox; $3: the CLI; the rest: SOURCE TARGET pairs, `--`, the command line. */
const MAKE_ROOT = `
root=$1; tools=$2; cli=$3; shift 3
mount -t tmpfs -o mode=755 tmpfs "$root"
cd "$root"
for entry in /*; do
  name=\${entry#/}
  if [ -L "$entry" ]; then cp -P "$entry" .
  elif [ -d "$entry" ] && [ "$name" != etc ]; then mkdir "$name" && mount --rbind "$entry" "$name"
  fi
done
mkdir -p etc stand-in
for name in alternatives ethertypes group host.conf ld.so.cache nsswitch.conf passwd protocols services; do
  if [ -e "/etc/$name" ]; then cp -a "/etc/$name" etc/; fi
done
printf '127.0.0.1 localhost\\n::1 localhost\\n' > etc/hosts
printf '#!/bin/sh\\nexec %s "$@"\\n' "$cli" > stand-in/sideroute
chmod 755 stand-in/sideroute
for tool in $tools; do ln -s "$(command -v busybox)" "stand-in/$tool"; done
while [ "$1" != -- ]; do
  if [ -f "$1" ]; then mkdir -p "./\${2%/*}"; : > "./$2"; else mkdir -p "./$2"; fi
  mount --bind "$1" "./$2"; shift 2
done
shift
mount -o remount,ro,bind .
exec chroot . "$@"
`;

const PATH = '/stand-in:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

interface SecurityContext {
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  readonly allowPrivilegeEscalation?: boolean;
  readonly capabilities?: { readonly add?: readonly string[] };
}

/**
 * `setpriv` with the settings of a security context; a capability that the image keeps as ambient is given as ambient.
 */
function privileges(container: Container): string[] {
  const context = (container.securityContext ?? {}) as SecurityContext;
  const user = context.runAsUser ?? 0;
  const reading = readingCapabilities().some((flag) => flag.includes('dac_read_search')) ? ['dac_read_search'] : [];
  const capabilities = [...(context.capabilities?.add ?? []).map((name) => name.toLowerCase()), ...reading];
  const given = capabilities.map((name) => `,+${name}`).join('');
  return [
    ...['setpriv', '--reuid', String(user), '--regid', String(context.runAsGroup ?? user), '--clear-groups'],
    ...(context.allowPrivilegeEscalation === false ? ['--no-new-privs'] : []),
    ...[`--bounding-set=-all${given}`, `--inh-caps=-all${given}`],
    ...(capabilities.length === 0 ? [] : [`--ambient-caps=-all${given}`]),
  ];
}

/** A file or directory of this machine, and its path in a container. */
export type Mount = readonly [source: string, target: string];

export interface ContainerPlace {
  readonly pod: Pod;
  readonly mounts: readonly Mount[];
  /** An empty directory on which the root is mounted. */
  readonly root: string;
  readonly log: string;
}

export class RunningContainer {
  readonly spec: Container;
  readonly log: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly process: ChildProcess;

  private constructor(spec: Container, log: string, env: Readonly<Record<string, string>>, process: ChildProcess) {
    this.spec = spec;
    this.log = log;
    this.#env = env;
    this.process = process;
  }

  /** Standard output and error go to the end of the file `place.log`. */
  static start(spec: Container, env: Readonly<Record<string, string>>, place: ContainerPlace): RunningContainer {
    const { entrypoint } = imageOf(spec.image);
    const command = [...(spec.command ?? entrypoint), ...(spec.args ?? (spec.command ? [] : defaultArguments(spec)))];
    const log = openSync(place.log, 'a');
    const environment = { PATH, ...env };
    const [file, ...args] = place.pod.commandLine([
      ...['sh', '-euc', MAKE_ROOT, 'container', place.root],
      ...[program('busybox') === null ? '' : BUSYBOX_TOOLS.join(' '), SIDEROUTE.join(' ')],
      ...place.mounts.flat(),
      ...['--', ...privileges(spec), ...command],
    ]);
    const child = spawn(file!, args, { stdio: ['ignore', log, log], env: environment });
    closeSync(log);
    return new RunningContainer(spec, place.log, environment, child);
  }

  get running(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** Whether its root is in place, behind which it executes its own program; true as well when it has ended. */
  get started(): boolean {
    return !this.running || readlinkSync(`/proc/${this.process.pid}/root`) !== '/';
  }

  /** Command line that runs `command` in the container, as `kubectl exec` does. @throws CommandError when its image lacks the program */
  execLine(command: readonly string[]): string[] {
    const { programs } = imageOf(this.spec.image);
    if (!this.running) throw new CommandError(`error: container ${this.spec.name} is not running`);
    if (programs !== null && !programs.includes(command[0]!.replace(/^.*\//, '')))
      throw new CommandError(
        `error: Internal error occurred: exec: "${command[0]}": executable file not found in $PATH of ${this.spec.image}`,
      );
    const variables = Object.entries(this.#env).map(([name, value]) => `${name}=${value}`);
    return [
      ...['nsenter', '--target', String(this.process.pid), '--mount', '--net', '--root', '--wdns=/'],
      ...['env', '-i', ...variables, ...privileges(this.spec), ...command],
    ];
  }
}

const defaultArguments = ({ image }: Container): string[] => (/(^|\/)sideroute[:@]/.test(image) ? ['proxy'] : []);
