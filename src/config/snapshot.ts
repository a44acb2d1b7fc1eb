/**
 * The content of the route directory at one moment, as `route-directory.ts` publishes it. Immutable.
 */
import type { Problem, Resource } from '../gateway-api/types.ts';

/** A complete route set. */
export interface RouteSetVersion {
  /** Counted by whoever writes it. */
  readonly generation: number;
  /** Hex SHA-256. */
  readonly hash: string;
}

export interface ConfigSnapshot {
  /** Counts from 1, one more for each change of content; the same when only `valid` and `problems` change. */
  readonly generation: number;
  /**
   * Hex SHA-256 prefix (16 characters) over names and contents of the files now in the directory, and over the hash of the route
   * set that is served, if there is one; while the directory cannot be read, of those last read.
   */
  readonly hash: string;
  /** False when some file or document has an error, the directory is missing or unreadable, or a file is held at its last good content. */
  readonly valid: boolean;
  readonly resources: readonly Resource[];
  readonly problems: readonly Problem[];
  /** The route set whose routes are among the resources, which may not be the one that is now in the directory. */
  readonly routeSet: RouteSetVersion | null;
  /** Files that could not be parsed and are served from their last good content. */
  readonly heldFiles: readonly string[];
  /** `Kind namespace/name` of what is refused and served from its last good version. */
  readonly heldRoutes: readonly string[];
}
