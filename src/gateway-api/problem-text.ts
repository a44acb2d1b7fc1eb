/**
 * Formats a problem as one line of text in the style of compilers, so that editors can jump to the place. Used by
 * `check` and logs.
 */
import type { Problem } from './types.ts';

/**
 * `routes.yaml:12: error: HTTPRoute ns/name: spec.rules[0].matches[0].path.value: must start with "/", got "foo" [bad-path]`
 */
export function problemText(problem: Problem): string {
  const { file, document, line, severity, resource, path, message, code } = problem;
  const place = line === null ? `${file} (document ${document})` : `${file}:${line}`;
  return (
    [place, severity, resource, path, message].filter((part) => part !== null && part !== '').join(': ') + ` [${code}]`
  );
}
