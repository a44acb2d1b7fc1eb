/**
 * `npm run lint [-- FILE...]`, for all files or the named ones: runs oxlint, with a rule of our own (lint-rules.js),
 * and at the same time clang-format and prettier. The output of each is printed as a whole when it has ended, on
 * standard error. Exit status 1 if one of them finds something.
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const files = process.argv.length > 2 ? process.argv.slice(2) : ['.'];
const bin = (name) => join(root, 'node_modules', '.bin', name);
const native = ['native/src', 'native/test', 'native/fuzz', 'bench/native']
  .flatMap((room) => readdirSync(join(root, room), { recursive: true }).map((name) => join(room, name)))
  .filter((name) => /\.(?:cc|h)$/.test(name));

async function run(name, command, args) {
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text));
  const how = await new Promise((resolve) => {
    child.once('error', ({ message }) => resolve(message));
    child.once('close', (status, signal) => resolve(status === 0 ? null : `exit ${status ?? signal}`));
  });
  process.stderr.write(`${said}lint: ${name}: ${how ?? 'clean'}\n`);
  return how === null;
}

async function oneAfterTheOther(steps) {
  let fine = true;
  for (const step of steps) fine = (await run(...step)) && fine;
  return fine;
}

const results = await Promise.all([
  run('oxlint', bin('oxlint'), ['--type-aware', '--deny-warnings', ...files]),
  oneAfterTheOther([
    ['clang-format', 'clang-format-14', ['--dry-run', '-Werror', ...native]],
    ['prettier', bin('prettier'), ['--check', '--log-level', 'warn', ...files]],
  ]),
]);
process.exitCode = results.every(Boolean) ? 0 : 1;
