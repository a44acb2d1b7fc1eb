/**
 * The machines on which the addon of a package can be loaded, and why it cannot be loaded on this one.
 * `scripts/package.mjs` writes this information.
 *
 * Checked only after loading has failed, because the system itself is the best judge.
 */

/** `addon` in the package.json of a package. */
export interface PackedAddon {
  readonly platform: string;
  readonly arch: string;
  /** The oldest suitable glibc; absent: any C library. */
  readonly glibc?: string;
  /** Version of Node-API. */
  readonly nodeApi: number;
}

export interface Machine {
  readonly platform: string;
  readonly arch: string;
  /** Null: another C library, such as musl on Alpine. */
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

/** `it is for linux-x64, and this is linux-arm64`; null when it should fit. */
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
