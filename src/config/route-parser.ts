/** The parser of route files with the regular expression dialect of the matcher: what one accepts the other compiles. */
import { parseRouteFile } from '../gateway-api/parse.ts';
import type { ParsedFile } from '../gateway-api/types.ts';
import { validateRegex } from '../routing/regex.ts';

export function parseRoutes(file: string, text: string): ParsedFile {
  return parseRouteFile(file, text, { validateRegex });
}
