/**
 * Writes a file completely or not at all: under another name in the same directory, renamed when complete.
 *
 * Used by `make-bundle.ts`. Only the owner may read it, because its content is not meant for others.
 */
import { closeSync, fsyncSync, lstatSync, openSync, realpathSync, renameSync, rmSync, writeSync } from 'node:fs';
import { ProxyError } from '../errors.ts';

const OWNER_ALONE = 0o600;

export class NewFile {
  /** As given by the user. */
  readonly name: string;
  readonly #place: string;
  readonly #partial: string;
  #descriptor: number | null;

  private constructor(name: string, place: string, partial: string, descriptor: number) {
    this.name = name;
    this.#place = place;
    this.#partial = partial;
    this.#descriptor = descriptor;
  }

  /** @throws ProxyError `unwritable-output` */
  static open(name: string): NewFile {
    try {
      const place = placeOf(name);
      const partial = `${place}.partial-${process.pid}`;
      return new NewFile(name, place, partial, openSync(partial, 'wx', OWNER_ALONE));
    } catch (error) {
      if (error instanceof ProxyError) throw error;
      throw unwritable(name, error);
    }
  }

  /** @throws ProxyError `unwritable-output` */
  finish(bytes: Buffer): void {
    const descriptor = this.#descriptor;
    if (descriptor === null) return;
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at);
      fsyncSync(descriptor);
      renameSync(this.#partial, this.#place);
    } catch (error) {
      throw unwritable(this.name, error);
    }
    this.#descriptor = null;
    closeSync(descriptor);
  }

  /** Removes the file unless it is complete. */
  discard(): void {
    if (this.#descriptor === null) return;
    closeSync(this.#descriptor);
    this.#descriptor = null;
    rmSync(this.#partial, { force: true });
  }
}

/** The target of a link. A device is refused, because a file must not replace it. */
function placeOf(name: string): string {
  if (lstatSync(name, { throwIfNoEntry: false }) === undefined) return name;
  const place = realpathSync(name);
  if (lstatSync(place).isFile()) return place;
  throw new ProxyError('unwritable-output', `--output ${name}: is there, and is no file; - is standard output`);
}

function unwritable(name: string, error: unknown): ProxyError {
  return new ProxyError('unwritable-output', `--output ${name}: cannot be written: ${(error as Error).message}`, {
    cause: error,
  });
}
