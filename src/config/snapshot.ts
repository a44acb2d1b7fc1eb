/**
 * The content of the route directory at one moment, published by `route-directory.ts`. Immutable.
 */
import type { Problem, Resource } from '../gateway-api/types.ts';

/** A complete route set. */
export interface RouteSetVersion {
  /** Counted by the writer of the set. */
  readonly generation: number;
  /** Hex SHA-256. */
  readonly hash: string;
}

export interface ConfigSnapshot {
  /**
   * Starts at 1 and grows by one with each change of content. It stays the same when only `valid` and `problems`
   * change.
   */
  readonly generation: number;
  /**
   * First 16 characters of the hex SHA-256 of the names and contents of the files in the directory, and of the hash of
   * the served route set if there is one. While the directory cannot be read, that of the last read.
   */
  readonly hash: string;
  /** False when some file or document has an error, the directory is missing or unreadable, or a file is held at its last good content. */
  readonly valid: boolean;
  readonly resources: readonly Resource[];
  readonly problems: readonly Problem[];
  /** The route set whose routes are among the resources. It may differ from the one now in the directory. */
  readonly routeSet: RouteSetVersion | null;
  /** Files that cannot be parsed and are served from their last good content. */
  readonly heldFiles: readonly string[];
  /** `Kind namespace/name` of refused resources that are served from their last good version. */
  readonly heldRoutes: readonly string[];
}
