/**
 * A ConfigMap volume as kubelet writes it: `name -> ..data/name`, `..data -> ..<timestamp>`, each update a new directory
 * and one rename (Kubernetes `pkg/volume/util/atomic_writer.go`, same order of steps). Synchronous, like one process
 * that is not ours.
 */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

export class ConfigMapMount {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
    mkdirSync(path, { recursive: true });
  }

  /** Replace the whole content. */
  write(files: Readonly<Record<string, string>>): void {
    const dataLink = join(this.path, '..data');
    const old = this.#generation();
    const generation = mkdtempSync(join(this.path, '..2026_01_02_03_04_05.'));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(generation, name), text);
    symlinkSync(generation.slice(this.path.length + 1), `${dataLink}_tmp`);
    renameSync(`${dataLink}_tmp`, dataLink);

    const visible = readdirSync(this.path).filter((name) => !name.startsWith('..'));
    for (const name of Object.keys(files)) {
      if (!visible.includes(name)) symlinkSync(join('..data', name), join(this.path, name));
    }
    for (const name of visible) {
      if (!(name in files)) rmSync(join(this.path, name));
    }
    if (old !== null) rmSync(join(this.path, old), { recursive: true, force: true });
  }

  #generation(): string | null {
    try {
      return readlinkSync(join(this.path, '..data'));
    } catch {
      return null;
    }
  }
}
