/**
 * The mounted ConfigMap: reads the route directory, watches it, and publishes a snapshot whenever its content changes.
 *
 * Stage before: kubelet, which swaps `..data`, or an editor on a plain directory. Stage after: `onChange`, which
 * attaches, compiles and swaps the route tables.
 *
 *   inotify event --settle--> read one generation --> parse what changed --> onChange
 *   poll timer ----------------^        ^------------- changed meanwhile ---------'
 *
 * The watch is on the directory, because a watch on a file would follow its inode into the removed generation and
 * report nothing more. Events are only hints: a slow poll finds changes they miss, and a fast poll replaces the watch
 * while there is none.
 */
import type { FSWatcher } from 'node:fs';
import { statSync, watch } from 'node:fs';
import { basename } from 'node:path';
import { ProxyError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { directoryIdentity, errorCode, generationOf, isRouteFileName, readDirectory } from './directory-reader.ts';
import type { ParseFile } from './route-files.ts';
import { RouteFiles } from './route-files.ts';
import type { TornSet } from './route-set-files.ts';
import type { ConfigSnapshot } from './snapshot.ts';

export interface RouteDirectoryOptions {
  readonly path: string;
  readonly parse: ParseFile;
  /**
   * Called with the first snapshot and whenever content or validity changes. The next call waits until the returned
   * promise has settled, so snapshots are applied one after the other, and changes in the meantime are read afterwards.
   * An exception or rejection is logged, not passed on.
   */
  readonly onChange: (snapshot: ConfigSnapshot) => void | Promise<void>;
  readonly logger: Logger;
  /** Milliseconds from the last event to the read, so that partial writes coalesce. Default: 50. */
  readonly settleMs?: number;
  /** Maximum milliseconds from the first event to the read. Default: 500. */
  readonly maxSettleMs?: number;
  /** Poll interval in milliseconds while the directory is watched. Default: 5,000. */
  readonly pollMs?: number;
  /**
   * Poll interval in milliseconds while the directory cannot be watched or does not exist. Default: 500, to apply
   * changes within 1 s.
   */
  readonly fallbackPollMs?: number;
  /** Larger files are refused. Default: 4 MiB (a ConfigMap holds 1 MiB). */
  readonly maxFileBytes?: number;
  /** Milliseconds for which a route set may be torn before this is a problem. Default: 10,000. */
  readonly tornAfterMs?: number;
  /** Serve the previous version of a route while its current version is refused. Default: true. */
  readonly holdRoutes?: boolean;
}

const DEFAULT_MAX_FILE_BYTES = 4 * 1024 * 1024;
/** One in this many polls of a mounted ConfigMap reads its files even when nothing indicates a change. */
const POLLS_FOR_A_READ = 12;

/**
 * Reads `path` once, for commands that do not watch: `check`, `explain`. A directory that cannot be read gives an empty
 * snapshot with that problem.
 */
export async function loadRouteDirectory(
  path: string,
  parse: ParseFile,
  maxFileBytes = DEFAULT_MAX_FILE_BYTES,
): Promise<ConfigSnapshot> {
  const files = new RouteFiles(parse);
  let snapshot: ConfigSnapshot | null;
  try {
    snapshot = await files.update(await readDirectory(path, maxFileBytes));
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error;
    snapshot = files.unreadable(path, error.code, error.message);
  }
  if (snapshot === null) throw new ProxyError('internal', 'the first read gave no snapshot');
  return snapshot;
}

export class RouteDirectory {
  readonly #path: string;
  readonly #onChange: (snapshot: ConfigSnapshot) => void | Promise<void>;
  readonly #logger: Logger;
  readonly #settleMs: number;
  readonly #maxSettleMs: number;
  readonly #pollMs: number;
  readonly #fallbackPollMs: number;
  readonly #maxFileBytes: number;
  readonly #files: RouteFiles;

  #snapshot: ConfigSnapshot | null = null;
  #closed = false;
  /** During an apply, events are only counted. If there were any, another apply follows. */
  #running = false;
  #events = 0;
  #timer: NodeJS.Timeout | null = null;
  /** Monotonic time of the first event that has not been read yet; null when there is none. */
  #changedAtMs: number | null = null;
  #watcher: FSWatcher | null = null;
  #watchedIdentity = '';
  #watchFailure = '';
  /** `generationOf` the content read last. Null when nothing was read, or when it is unknown. */
  #readGeneration: string | null = null;
  #polls = 0;
  /** Identity of the directory in which a `..data` link was last seen. */
  #configMapIdentity = '';

  constructor(options: RouteDirectoryOptions) {
    this.#path = options.path;
    this.#onChange = options.onChange;
    this.#logger = options.logger;
    this.#settleMs = options.settleMs ?? 50;
    this.#maxSettleMs = options.maxSettleMs ?? 500;
    this.#pollMs = options.pollMs ?? 5_000;
    this.#fallbackPollMs = options.fallbackPollMs ?? 500;
    this.#maxFileBytes = options.maxFileBytes ?? DEFAULT_MAX_FILE_BYTES;
    this.#files = new RouteFiles(options.parse, options.holdRoutes, options.tornAfterMs);
  }

  /** The snapshot published last, null before the first. */
  get snapshot(): ConfigSnapshot | null {
    return this.#snapshot;
  }

  /** The route set in the directory that is incomplete; null when there is none. */
  get tornSet(): TornSet | null {
    return this.#files.tornSet;
  }

  /**
   * Reads the directory for the first time, publishes, and watches from then on. Resolves when the snapshot has been
   * applied. Never rejects: a directory that cannot be read is reported in the snapshot. Call once.
   */
  async start(): Promise<void> {
    await this.#run();
  }

  /** Stops watching. Nothing is published afterwards. Timers and watch never keep the process alive. */
  close(): void {
    this.#closed = true;
    this.#unwatch();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #isClosed(): boolean {
    return this.#closed;
  }

  #changed(): void {
    if (this.#closed) return;
    this.#events++;
    if (this.#running) return;
    const now = performance.now();
    this.#changedAtMs ??= now;
    this.#wakeIn(Math.max(0, Math.min(this.#settleMs, this.#changedAtMs + this.#maxSettleMs - now)));
  }

  #wakeIn(delayMs: number): void {
    if (this.#closed) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#run(), delayMs).unref();
  }

  async #run(): Promise<void> {
    if (this.#isAsRead()) {
      this.#wakeIn(this.#pollMs);
      return;
    }
    this.#running = true;
    this.#changedAtMs = null;
    const eventsBefore = this.#events;
    try {
      const snapshot = await this.#read();
      if (snapshot !== null) await this.#publish(snapshot);
    } catch (error) {
      this.#logger.error('route directory: reading failed', { path: this.#path, error: String(error) });
    }
    this.#running = false;
    // It is unknown whether the last read includes a change during the apply, so the directory is read again. Unchanged
    // content costs nothing.
    if (this.#events !== eventsBefore) this.#changed();
    else this.#wakeIn(Math.min(this.#watcher === null ? this.#fallbackPollMs : this.#pollMs, this.#files.dueInMs));
  }

  /** True for a poll with nothing to read. A needless read would wake four threads each time. */
  #isAsRead(): boolean {
    if (this.#changedAtMs !== null || this.#watcher === null || this.#readGeneration === null) return false;
    if (Number.isFinite(this.#files.dueInMs) || ++this.#polls % POLLS_FOR_A_READ === 0) return false;
    return generationOf(this.#path) === this.#readGeneration;
  }

  async #read(): Promise<ConfigSnapshot | null> {
    this.#readGeneration = null;
    // The watch comes first: later changes cause an event, and earlier ones are read.
    this.#watch();
    try {
      const read = await readDirectory(this.#path, this.#maxFileBytes);
      if (read.layout === 'configmap') this.#configMapIdentity = read.identity;
      else if (read.identity === this.#configMapIdentity) {
        // The directory is being removed, or an update failed: the remaining links are not a configuration.
        throw new ProxyError('directory-unreadable', `${this.#path} has lost its ..data link`);
      }
      const snapshot = await this.#files.update(read);
      this.#readGeneration = read.generation ?? null;
      return snapshot;
    } catch (error) {
      if (!(error instanceof ProxyError)) throw error;
      if (error.code === 'directory-busy' && this.#snapshot !== null) {
        // The directory changed during every attempt, which is not an error; the next attempt may succeed.
        this.#events++;
        return null;
      }
      return this.#files.unreadable(this.#path, error.code, error.message);
    }
  }

  async #publish(snapshot: ConfigSnapshot): Promise<void> {
    if (this.#closed) return;
    this.#snapshot = snapshot;
    try {
      await this.#onChange(snapshot);
    } catch (error) {
      // After `close` the work is expected to stop.
      if (this.#isClosed()) return;
      this.#logger.error('route directory: a new configuration could not be applied', {
        path: this.#path,
        generation: snapshot.generation,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    }
  }

  /** Watches the directory at the path, unless that one is being watched already. */
  #watch(): void {
    let identity = '';
    try {
      identity = directoryIdentity(statSync(this.#path, { bigint: true }));
      if (this.#watcher !== null && identity === this.#watchedIdentity) return;
      this.#unwatch();
      const watcher = watch(this.#path, { persistent: false }, (_event, name) => {
        if (name === null || name === '..data' || isRouteFileName(name) || name === basename(this.#path))
          this.#changed();
      });
      watcher.on('error', (error) => {
        this.#unwatch();
        this.#watchFailed(errorCode(error));
        this.#changed();
      });
      this.#watcher = watcher;
      this.#watchedIdentity = identity;
      if (this.#watchFailure !== '') this.#logger.info('route directory: watched again', { path: this.#path });
      this.#watchFailure = '';
    } catch (error) {
      this.#unwatch();
      this.#watchFailed(errorCode(error));
    }
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = null;
  }

  #watchFailed(code: string): void {
    if (code === this.#watchFailure) return;
    this.#watchFailure = code;
    this.#logger.warn('route directory: cannot be watched, polling', {
      path: this.#path,
      error: code,
      pollMs: this.#fallbackPollMs,
    });
  }
}
