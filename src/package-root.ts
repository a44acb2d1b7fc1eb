/** Location of the package: the manifest and the native addon are found from here, compiled or not. */
import { readFileSync, statSync } from 'node:fs';
import { ProxyError } from './errors.ts';

interface Manifest {
  readonly name?: string;
  readonly version: string;
  /** Set in dist/bin/: the commit from which it was packed. */
  readonly commit?: string;
  /** Set in a package that is installed without a compiler: the machines its addon supports. */
  readonly addon?: unknown;
}

interface Found {
  readonly root: URL;
  readonly manifest: Manifest;
  readonly commit: string | null;
}

const NAME = 'sideroute';

let found: Found | undefined;

/** The nearest directory above this file with a package.json that has our name; that of dist/bin/ has no name. */
function find(): Found {
  let commit: string | null = null;
  for (let url = new URL('.', import.meta.url); ; url = new URL('..', url)) {
    const file = new URL('package.json', url);
    // stat, not access(2): access ignores capabilities, and a sidecar may be able to see these files only through them.
    if (statSync(file, { throwIfNoEntry: false }) !== undefined) {
      const manifest = JSON.parse(readFileSync(file, 'utf8')) as Manifest;
      if (manifest.name === NAME) return { root: url, manifest, commit };
      commit ??= manifest.commit ?? null;
    }
    if (url.pathname === '/')
      throw new ProxyError('no-package-root', 'package.json of sideroute not found above its code');
  }
}

/** URL of its directory, with a trailing slash. */
export function packageRoot(): URL {
  return (found ??= find()).root;
}

/** The version in the manifest. */
export function packageVersion(): string {
  return (found ??= find()).manifest.version;
}

/** The commit it was built from; null when not recorded, as in a clone. */
export function packageCommit(): string | null {
  return (found ??= find()).commit;
}

/** The manifest's information about the addon; null in a clone and in an image, whose addon was built for them. */
export function packageAddon(): unknown {
  return (found ??= find()).manifest.addon ?? null;
}
