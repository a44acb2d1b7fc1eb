/**
 * `node scripts/image-sizes.mjs [--limit-mb N] IMAGE...`: the size of each image, as stored and as a registry sends it
 * (each layer compressed with gzip), and how much a node that has the previous image has to fetch. Exit status 1 if the
 * first image exceeds the limit. Needs docker or podman.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { createGzip } from 'node:zlib';

const args = process.argv.slice(2);
const limitMb = args[0] === '--limit-mb' ? Number(args.splice(0, 2)[1]) : Infinity;
const engine = ['docker', 'podman'].find((name) => spawnSync(name, ['info'], { stdio: 'ignore' }).status === 0);
if (engine === undefined || args.length === 0 || Number.isNaN(limitMb)) {
  process.stderr.write('usage: image-sizes [--limit-mb N] IMAGE..., with a running docker or podman\n');
  process.exit(2);
}

/** Compressed size of one layer, and digest of its content. */
async function compressed(file) {
  const hash = createHash('sha256');
  let bytes = 0;
  const gzip = createGzip({ level: 6 });
  gzip.on('data', (chunk) => (bytes += chunk.length));
  const source = createReadStream(file).on('data', (chunk) => hash.update(chunk));
  source.pipe(gzip);
  await once(gzip, 'end');
  return { bytes, digest: hash.digest('hex') };
}

async function layersOf(image) {
  const directory = mkdtempSync(join(tmpdir(), 'image-sizes-'));
  try {
    const save = spawn(engine, ['save', ...(engine === 'podman' ? ['--format', 'docker-archive'] : []), image], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const untar = spawn('tar', ['-x', '-C', directory], { stdio: [save.stdout, 'inherit', 'inherit'] });
    const [[saved], [unpacked]] = await Promise.all([once(save, 'exit'), once(untar, 'exit')]);
    if (saved !== 0 || unpacked !== 0) throw new Error(`${engine} save ${image} failed`);
    const manifest = JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8'))[0];
    const layers = [];
    for (const name of manifest.Layers) {
      const file = join(directory, name);
      layers.push({ stored: statSync(file).size, ...(await compressed(file)) });
    }
    return layers;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const mb = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
const held = new Set();
let first = null;
for (const image of args) {
  const layers = await layersOf(image);
  const sum = (list, key) => list.reduce((total, layer) => total + layer[key], 0);
  const more = layers.filter(({ digest }) => !held.has(digest));
  for (const { digest } of layers) held.add(digest);
  const total = sum(layers, 'bytes');
  first ??= total;
  const beside = first === total ? '' : `, ${mb(sum(more, 'bytes'))} beside the ones above`;
  process.stdout.write(`${image}: ${mb(sum(layers, 'stored'))} stored, ${mb(total)} compressed${beside}\n`);
}
if (first > limitMb * 1e6) {
  process.stderr.write(`${args[0]} is heavier than ${limitMb} MB\n`);
  process.exit(1);
}
