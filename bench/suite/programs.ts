/** Programs that a benchmark starts. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const PLACES = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];

/** By its name, or by its path. */
export function isThere(program: string): boolean {
  return program.includes('/') ? existsSync(program) : PLACES.some((place) => existsSync(join(place, program)));
}
