/** Where the package lies: the manifest and the native addon are found from here, compiled or not. */
import { readFileSync, statSync } from 'node:fs';
import { ProxyError } from './errors.ts';

/** URL of the nearest directory above this file that has a package.json, with a trailing slash. */
export function packageRoot(): URL {
  for (let url = new URL('.', import.meta.url); ; url = new URL('..', url)) {
    // stat, not access(2): that one ignores capabilities, and a sidecar may owe them its view of these files.
    if (statSync(new URL('package.json', url), { throwIfNoEntry: false }) !== undefined) return url;
    if (url.pathname === '/')
      throw new ProxyError('no-package-root', 'package.json of sideroute not found above its code');
  }
}

/** Of the manifest. */
export function packageVersion(): string {
  return (JSON.parse(readFileSync(new URL('package.json', packageRoot()), 'utf8')) as { version: string }).version;
}
