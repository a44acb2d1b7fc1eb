/**
 * The parser of route files with the regular expression dialect of the matcher: what one accepts the other compiles.
 *
 * Stage before: `route-files.ts`, which has the text. Stage after: the same, which keeps what is found.
 */
import { parseRouteFileInSteps, type ParseOptions } from '../gateway-api/parse.ts';
import type { ParsedFile } from '../gateway-api/types.ts';
import { LongStretch, type TextLayout } from '../gateway-api/yaml-tree.ts';
import { validateRegex } from '../regex/regex.ts';
import { finish, type Slicer } from '../slices.ts';

/** The full YAML parser takes up to half a millisecond for 1 KiB, in one go: this is 10 ms. */
const MAX_STRETCH = 20 * 1024;

/** At once, for commands. `namespace`: of the pod, to which documents belong that name none; null when it is not known. */
export function parseRoutes(
  file: string,
  text: string,
  namespace: string | null,
  options: Pick<ParseOptions, 'manifests' | 'limits' | 'layout'> = {},
): ParsedFile {
  return finish(parseRouteFileInSteps(file, text, { ...options, validateRegex, defaultNamespace: namespace }));
}

/**
 * Beside other work of the same thread. Nearly every file is read in slices; a large one that takes the full YAML parser, be
 * it for its own sake or for a fault in it, in a thread that ends with the file.
 */
export async function parseRoutesBesides(
  file: string,
  text: string,
  namespace: string | null,
  slicer: Slicer,
  signal: AbortSignal,
  layout: TextLayout = 'documents',
): Promise<ParsedFile> {
  try {
    const options = { validateRegex, defaultNamespace: namespace, maxStretch: MAX_STRETCH, layout };
    return await slicer.run(parseRouteFileInSteps(file, text, options));
  } catch (error) {
    if (!(error instanceof LongStretch)) throw error;
    // Loaded here: few files need a thread.
    const { parseInThread } = await import('./parse-thread.ts');
    return await parseInThread({ file, text, namespace, layout }, signal);
  }
}
