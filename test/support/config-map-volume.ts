/**
 * A directory written the way kubelet writes a ConfigMap volume: the files live in a timestamped directory, `..data`
 * points at it, each visible file is a link through `..data`, and an update is one rename of that link.
 *
 * Source: Kubernetes `pkg/volume/util/atomic_writer.go` (behaviour, not code).
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readlinkSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

export class ConfigMapVolume {
  readonly path: string;
  #generation = 0;

  /** `path` is created when it does not exist, readable by everyone as kubelet's default mode is. */
  constructor(path: string, files: Readonly<Record<string, string>>) {
    this.path = path;
    mkdirSync(path, { recursive: true });
    chmodSync(path, 0o755);
    this.write(files);
  }

  /** Replace the whole content in one step. */
  write(files: Readonly<Record<string, string>>): void {
    this.#generation += 1;
    const directory = `..2026_01_01_00_00_00.${String(this.#generation).padStart(9, '0')}`;
    const data = join(this.path, '..data');
    const previous = existsSync(data) ? readlinkSync(data) : null;
    mkdirSync(join(this.path, directory));
    chmodSync(join(this.path, directory), 0o755);
    for (const [name, content] of Object.entries(files)) {
      writeFileSync(join(this.path, directory, name), content, { mode: 0o644 });
    }
    const temporary = join(this.path, '..data_tmp');
    symlinkSync(directory, temporary);
    renameSync(temporary, data);
    const visible = new Set(readdirSync(this.path).filter((name) => !name.startsWith('..')));
    for (const name of Object.keys(files)) {
      if (!visible.delete(name)) symlinkSync(join('..data', name), join(this.path, name));
    }
    for (const name of visible) rmSync(join(this.path, name));
    if (previous !== null) rmSync(join(this.path, previous), { recursive: true });
  }
}
