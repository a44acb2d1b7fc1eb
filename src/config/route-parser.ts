/** The parser of route files with the regular expression dialect of the matcher: what one accepts the other compiles. */
import { parseRouteFileInSteps } from '../gateway-api/parse.ts';
import type { ParsedFile } from '../gateway-api/types.ts';
import { validateRegex } from '../routing/regex.ts';
import { finish, type Steps } from '../slices.ts';

export function parseRoutes(file: string, text: string): ParsedFile {
  return finish(parseRoutesInSteps(file, text));
}

export function parseRoutesInSteps(file: string, text: string): Steps<ParsedFile> {
  return parseRouteFileInSteps(file, text, { validateRegex });
}
