/** Where the package lies: the manifest and the native addon are found from here, compiled or not. */
import { readFileSync, statSync } from 'node:fs';
import { ProxyError } from './errors.ts';

interface Manifest {
  readonly name?: string;
  readonly version: string;
  /** In dist/bin/, of what was packed. */
  readonly commit?: string;
  /** Of a package that is installed without a compiler: which machines its addon is for. */
  readonly addon?: unknown;
}

interface Found {
  readonly root: URL;
  readonly manifest: Manifest;
  readonly commit: string | null;
}

const NAME = 'sideroute';

let found: Found | undefined;

/** The nearest directory above this file that has a package.json with our name: dist/bin/ has one of its own, without a name. */
function find(): Found {
  let commit: string | null = null;
  for (let url = new URL('.', import.meta.url); ; url = new URL('..', url)) {
    const file = new URL('package.json', url);
    // stat, not access(2): that one ignores capabilities, and a sidecar may owe them its view of these files.
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

/** Of the manifest. */
export function packageVersion(): string {
  return (found ??= find()).manifest.version;
}

/** That it was made of; null where that was not written down, as in a clone. */
export function packageCommit(): string | null {
  return (found ??= find()).commit;
}

/** What the manifest says of the addon; null in a clone and in an image, where it was built for them. */
export function packageAddon(): unknown {
  return (found ??= find()).manifest.addon ?? null;
}
