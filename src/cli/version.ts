/**
 * `sideroute version`: what this command is, and whether it could be a sidecar here.
 *
 * No command but `proxy` takes the native addon, so that one that does not load is told of and is no failure.
 */
import type { Command } from 'commander';
import { ProxyError } from '../errors.ts';
import { outputOption, type OutputFormat } from './options.ts';
import { table, writeResult } from './output.ts';

export interface VersionDependencies {
  readonly version: string;
  readonly commit: string | null;
  /** @throws ProxyError when it cannot be loaded */
  readonly loadAddon: () => unknown;
}

interface Versions {
  readonly client: ClientVersion;
}

interface ClientVersion {
  readonly version: string;
  /** Null where it was not written down. */
  readonly commit: string | null;
  readonly node: string;
  readonly platform: string;
  readonly addon: Addon;
}

interface Addon {
  readonly loads: boolean;
  /** Why it does not. */
  readonly message?: string;
}

export function registerVersion(program: Command, dependencies: VersionDependencies): void {
  program
    .command('version')
    .description('print the version of this command, its commit, Node, and whether the native addon of the proxy loads')
    .addOption(outputOption())
    .action(({ output }: { readonly output: OutputFormat }) => {
      const versions: Versions = { client: clientVersion(dependencies) };
      writeResult(output, versions, () => humanText(versions));
    });
}

function clientVersion({ version, commit, loadAddon }: VersionDependencies): ClientVersion {
  const platform = `${process.platform}/${process.arch}`;
  return { version, commit, node: process.version, platform, addon: addonOf(loadAddon) };
}

function addonOf(loadAddon: () => unknown): Addon {
  try {
    loadAddon();
    return { loads: true };
  } catch (error) {
    if (error instanceof ProxyError) return { loads: false, message: error.message };
    throw error;
  }
}

function humanText({ client }: Versions): string {
  const { version, commit, node, platform, addon } = client;
  const row = ['client', version, commit ?? '', node, platform, addon.loads ? 'yes' : 'no'];
  const why = addon.message === undefined ? '' : `\nOnly sideroute proxy needs the addon: ${addon.message}\n`;
  return table(['NAME', 'VERSION', 'COMMIT', 'NODE', 'PLATFORM', 'ADDON'], [row]) + why;
}
