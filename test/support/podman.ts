/** podman, configured for a test machine: runc, cgroupfs, and the machine's own settings unchanged. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand, type CommandResult } from './cluster.ts';

const CONFIGURATION = `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
`;

let configured = false;

/** Runs `podman ARGS`; never throws for a non-zero status. */
export function podman(args: readonly string[], input?: string): CommandResult {
  if (!configured) {
    const directory = mkdtempSync(join(tmpdir(), 'sideroute-podman-'));
    process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
    const file = join(directory, 'containers.conf');
    writeFileSync(file, CONFIGURATION);
    process.env['CONTAINERS_CONF'] = file;
    configured = true;
  }
  return runCommand('podman', args, input);
}

/** Like `podman`, but throws with the error text for a non-zero status. */
export function mustPodman(args: readonly string[], input?: string): string {
  const result = podman(args, input);
  if (result.status !== 0)
    throw new Error(
      `podman ${args.join(' ')}: exit ${result.status}: ${result.stderr.slice(-4000)}${result.stdout.slice(-2000)}`,
    );
  return result.stdout;
}

/** Why no container can run here, or null. Needs no image: the machine's own root is used, below an overlay. */
export function cannotRunContainers(): string | null {
  const result = podman(['run', '--rm', '--network', 'none', '--rootfs', '/:O', 'true']);
  return result.status === 0 ? null : `podman cannot run a container here: ${result.stderr.trim().slice(-500)}`;
}

export function imageExists(name: string): boolean {
  return podman(['image', 'exists', name]).status === 0;
}
