/**
 * A ConfigMap volume as kubelet writes it: `name -> ..data/name`, `..data -> ..<timestamp>`, each update in a new
 * directory and with one rename (Kubernetes `pkg/volume/util/atomic_writer.go`, same order of steps). Synchronous, as
 * if another process did it.
 */
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

export class ConfigMapMount {
  readonly path: string;

  /** `path` is created when it does not exist; everyone may read it, as with kubelet's default mode. */
  constructor(path: string, files?: Readonly<Record<string, string | Buffer>>) {
    this.path = path;
    mkdirSync(path, { recursive: true });
    chmodSync(path, 0o755);
    if (files !== undefined) this.write(files);
  }

  /** Replace the whole content. */
  write(files: Readonly<Record<string, string | Buffer>>): void {
    const steps = this.steps(files);
    while (steps.next().done !== true);
  }

  /** The same with a pause after each system call, for readers that look in between. */
  *steps(files: Readonly<Record<string, string | Buffer>>): Generator<void> {
    const dataLink = join(this.path, '..data');
    const old = this.#generation();
    const generation = mkdtempSync(join(this.path, '..2026_01_02_03_04_05.'));
    chmodSync(generation, 0o755);
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(generation, name), text);
      yield;
    }
    symlinkSync(generation.slice(this.path.length + 1), `${dataLink}_tmp`);
    yield;
    renameSync(`${dataLink}_tmp`, dataLink);
    yield;

    const visible = readdirSync(this.path).filter((name) => !name.startsWith('..'));
    for (const name of Object.keys(files)) {
      if (!visible.includes(name)) symlinkSync(join('..data', name), join(this.path, name));
      yield;
    }
    for (const name of visible) {
      if (!(name in files)) rmSync(join(this.path, name));
      yield;
    }
    if (old === null) return;
    for (const name of readdirSync(old)) {
      rmSync(join(old, name));
      yield;
    }
    rmSync(old, { recursive: true });
  }

  /** Path of the directory that is read now, null when there is none. */
  #generation(): string | null {
    try {
      return realpathSync(join(this.path, '..data'));
    } catch {
      return null;
    }
  }
}
