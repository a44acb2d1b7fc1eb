/**
 * The machines that the addon of a package can be loaded on, and why it cannot be loaded on this one. `scripts/package.mjs` writes them down.
 *
 * Looked at when loading has failed, and never before: the system knows best.
 */

/** `addon` of the package.json of a package. */
export interface PackedAddon {
  readonly platform: string;
  readonly arch: string;
  /** The oldest glibc that will do; absent: it needs none. */
  readonly glibc?: string;
  /** Version of Node-API. */
  readonly nodeApi: number;
}

export interface Machine {
  readonly platform: string;
  readonly arch: string;
  /** Null: another C library, as musl of Alpine. */
  readonly glibc: string | null;
  readonly nodeApi: number;
}

export function thisMachine(): Machine {
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return {
    platform: process.platform,
    arch: process.arch,
    glibc: header?.glibcVersionRuntime ?? null,
    nodeApi: Number(process.versions['napi']),
  };
}

/** `it is for linux-x64, and this is linux-arm64`; null: it should fit. */
export function misfit(addon: PackedAddon, machine: Machine = thisMachine()): string | null {
  const [wanted, found] = [addon, machine].map(({ platform, arch }) => `${platform}-${arch}`);
  if (wanted !== found) return `it is for ${wanted}, and this is ${found}`;
  if (addon.glibc !== undefined) {
    const needs = `it needs glibc ${addon.glibc} or later`;
    if (machine.glibc === null) return `${needs}, and the C library here is another one`;
    if (isOlder(machine.glibc, addon.glibc)) return `${needs}, and here is ${machine.glibc}`;
  }
  if (machine.nodeApi < addon.nodeApi)
    return `it needs Node-API ${addon.nodeApi}, and this Node has ${machine.nodeApi}`;
  return null;
}

function isOlder(version: string, than: string): boolean {
  const [[major, minor], [otherMajor, otherMinor]] = [numbers(version), numbers(than)];
  return major === otherMajor ? minor < otherMinor : major < otherMajor;
}

function numbers(version: string): readonly [number, number] {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return [major, minor];
}
