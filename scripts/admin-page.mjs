/**
 * Makes dist/page/, the files of the admin page as they are served: src/page/ as one script and one style sheet without
 * white space and comments, and the files that are served unchanged. `prepare.mjs` and the Dockerfile run it after the
 * compiler, which checks the types.
 */
import { buildSync } from 'esbuild';
import { copyFileSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const source = join(root, 'src', 'page');
const target = join(root, 'dist', 'page');

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
buildSync({
  entryPoints: [join(source, 'main.ts'), join(source, 'style.css')],
  outdir: target,
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  charset: 'utf8',
  logLevel: 'warning',
});
for (const name of readdirSync(source).filter((file) => /\.(html|svg)$/.test(file))) {
  copyFileSync(join(source, name), join(target, name));
}
