/** The machine of a run, and the versions of the programs. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';

export interface MachineFacts {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly system: string;
  readonly versions: Readonly<Record<string, string>>;
}

/** The first text that looks like a version in the output of a program. */
function versionOf(program: string, flag: string, pattern: RegExp): string {
  const { stdout, stderr } = spawnSync(program, [flag], { encoding: 'utf8' });
  return pattern.exec(`${stdout}${stderr}`)?.[1] ?? 'unknown';
}

/** `keys`: of the entrants. */
export function machineFacts(keys: readonly string[], envoyProgram: string): MachineFacts {
  const readers: Readonly<Record<string, () => readonly [string, string]>> = {
    haproxy: () => ['HAProxy', versionOf('haproxy', '-v', /version (\S+)/)],
    nginx: () => ['nginx', versionOf('nginx', '-v', /nginx\/(\S+)/)],
    envoy: () => ['Envoy', versionOf(envoyProgram, '--version', /\/(\d+\.\d+\.\d+)\//)],
    nghttpx: () => ['nghttpx', versionOf('nghttpx', '--version', /nghttp2\/(\S+)/)],
  };
  const packageJson = new URL('../../../package.json', import.meta.url);
  const { version } = JSON.parse(readFileSync(packageJson, 'utf8')) as { version: string };
  const system = /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'unknown';
  const peers = Object.entries(readers)
    .filter(([key]) => keys.includes(key))
    .map(([, read]) => read());
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    // Without the suffix of whoever has built it.
    kernel: release().replace(/-.*/s, ''),
    system,
    versions: Object.fromEntries([['sideroute', version], ['Node', process.version.slice(1)], ...peers]) as Record<
      string,
      string
    >,
  };
}
