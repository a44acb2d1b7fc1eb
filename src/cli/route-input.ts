/** What `check` and `explain` share: a directory of route files, read once with the code the sidecar uses. */
import { attach } from '../config/attach.ts';
import type { Attachment } from '../config/attachment.ts';
import { mountedNamespace } from '../config/pod-namespace.ts';
import { loadRouteDirectory } from '../config/route-directory.ts';
import { parseRoutes } from '../config/route-parser.ts';
import type { ConfigSnapshot } from '../config/snapshot.ts';
import type { Problem } from '../gateway-api/types.ts';

export interface RouteInput {
  readonly snapshot: ConfigSnapshot;
  readonly attachment: Attachment;
  /** Of the files and of attaching them, in order of file, document and line. */
  readonly problems: readonly Problem[];
}

/** `given`: with `--namespace`; else it is that of the pod this runs in, if it is one. */
export async function readRouteInput(directory: string, given: string | null): Promise<RouteInput> {
  const namespace = given ?? mountedNamespace();
  const snapshot = await loadRouteDirectory(directory, (file, text) => parseRoutes(file, text, namespace));
  const attachment = attach({ resources: snapshot.resources, namespace });
  const problems = [...snapshot.problems, ...attachment.problems].sort(
    (a, b) =>
      (a.file < b.file ? -1 : a.file > b.file ? 1 : 0) || a.document - b.document || (a.line ?? 0) - (b.line ?? 0),
  );
  return { snapshot, attachment, problems };
}
