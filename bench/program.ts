/** Where the program of a checkout is, for benchmarks that compare two. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** @throws Error when it has not been built */
export function programOf(checkout: string): string {
  const dist = join(resolve(checkout), 'dist');
  // Versions that were not bundled have it where the compiler put it.
  const found = [join(dist, 'bin', 'sideroute.js'), join(dist, 'src', 'main.js')].find((file) => existsSync(file));
  if (found === undefined) throw new Error(`${dist} has no program: build it first (npm run build)`);
  return found;
}
