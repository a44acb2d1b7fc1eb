/**
 * The parser of route files. It validates regular expressions with the dialect of the matcher, so that everything it
 * accepts can be compiled.
 *
 * Stage before: `route-files.ts`, which has the text. Stage after: the same, which keeps the result.
 */
import { parseRouteFileInSteps, type ParseOptions } from '../gateway-api/parse.ts';
import type { ParsedFile } from '../gateway-api/types.ts';
import { LongStretch, type TextLayout } from '../gateway-api/yaml-tree.ts';
import { validateRegex } from '../regex/regex.ts';
import { finish, type Slicer } from '../slices.ts';

/** The full YAML parser takes up to half a millisecond for 1 KiB without a pause, so this is 10 ms. */
const MAX_STRETCH = 20 * 1024;

/**
 * Parses without pauses, for commands. `namespace`: that of the pod, used for documents without one; null when unknown.
 */
export function parseRoutes(
  file: string,
  text: string,
  namespace: string | null,
  options: Pick<ParseOptions, 'manifests' | 'limits' | 'layout'> = {},
): ParsedFile {
  return finish(parseRouteFileInSteps(file, text, { ...options, validateRegex, defaultNamespace: namespace }));
}

/**
 * Parses without blocking other work of this thread. Nearly every file is read in slices. A large file that needs the
 * full YAML parser, for its content or because of a fault, is read in a thread that ends with the file.
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
    // Loaded on demand, because few files need a thread.
    const { parseInThread } = await import('./parse-thread.ts');
    return await parseInThread({ file, text, namespace, layout }, signal);
  }
}
