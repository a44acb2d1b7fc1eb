/** Programs that a benchmark starts. */
import { existsSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';

/**
 * The program of a checkout, for benchmarks that compare two checkouts.
 * @throws Error if the checkout has not been built
 */
export function programOf(checkout: string): string {
  const dist = join(resolve(checkout), 'dist');
  // Versions that were not bundled have it where the compiler wrote it.
  const found = [join(dist, 'bin', 'sideroute.js'), join(dist, 'src', 'main.js')].find((file) => existsSync(file));
  if (found === undefined) throw new Error(`${dist} has no program: build it first (npm run build)`);
  return found;
}

const PLACES = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];

/** `program`: a name or a path. */
export function isThere(program: string): boolean {
  return program.includes('/') ? existsSync(program) : PLACES.some((place) => existsSync(join(place, program)));
}
