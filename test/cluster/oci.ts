/**
 * Container images without a container tool: layers are directories put into archives, an image is a list of them with a configuration. Blobs
 * lie in the cache under their digests, so an image costs only what is new in it, and `archive` writes several images as one OCI layout.
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { mustRun } from './processes.ts';
import { CACHE, madeOnce } from './programs.ts';

const IMAGES = join(CACHE, 'images');
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };
const LAYER = 'application/vnd.oci.image.layer.v1.tar';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const CONFIGURATION = 'application/vnd.oci.image.config.v1+json';

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** Names as in a Dockerfile's instructions, spelt as the format wants them. */
export interface ImageConfiguration {
  readonly User?: string;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Labels?: Readonly<Record<string, string>>;
}

export interface Image {
  /** As a node calls it, with registry and tag. */
  readonly name: string;
  readonly manifest: Descriptor;
  readonly blobs: readonly Descriptor[];
}

/**
 * What a node takes a name for: Docker Hub's, unless its first part looks like a registry. (Podman puts `localhost/` before names that were built
 * without a registry, Docker leaves them as they are.)
 */
export function fullName(name: string): string {
  const [first, ...rest] = name.split('/');
  if (rest.length === 0) return `docker.io/library/${name}`;
  return /[.:]/.test(first!) || first === 'localhost' ? name : `docker.io/${name}`;
}

function blobPath(digest: string): string {
  return join(IMAGES, 'blobs', 'sha256', digest.replace('sha256:', ''));
}

function store(text: string, mediaType: string): Descriptor {
  const digest = `sha256:${createHash('sha256').update(text).digest('hex')}`;
  mkdirSync(dirname(blobPath(digest)), { recursive: true });
  if (!existsSync(blobPath(digest))) writeFileSync(blobPath(digest), text);
  return { mediaType, digest, size: Buffer.byteLength(text) };
}

/**
 * The layer that `make` puts into the directory it is given, unless one with the same `key` is there: the key says everything that its
 * content depends on.
 */
export async function layer(what: string, key: string, make: (root: string) => Promise<void>): Promise<Descriptor> {
  const id = createHash('sha256').update(what).update('\0').update(key).digest('hex').slice(0, 24);
  const record = await madeOnce(join(IMAGES, 'layers', id), `the layer of ${what}`, async (into) => {
    const root = mkdtempSync(join(tmpdir(), 'sideroute-layer-'));
    const archive = `${into}.tar`;
    try {
      chmodSync(root, 0o755);
      await make(root);
      await mustRun([
        ...['tar', '--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner', '--format=posix'],
        ...['--pax-option=delete=atime,delete=ctime,exthdr.name=%d/PaxHeaders/%f'],
        // The capabilities of files.
        ...['--xattrs', '--xattrs-include=security.capability', '-C', root, '-cf', archive, '.'],
      ]);
      const hash = createHash('sha256');
      await pipeline(createReadStream(archive), hash);
      const digest = `sha256:${hash.digest('hex')}`;
      mkdirSync(dirname(blobPath(digest)), { recursive: true });
      const descriptor: Descriptor = { mediaType: LAYER, digest, size: statSync(archive).size };
      renameSync(archive, blobPath(digest));
      writeFileSync(into, JSON.stringify(descriptor));
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
  return JSON.parse(readFileSync(record, 'utf8')) as Descriptor;
}

export function image(name: string, layers: readonly Descriptor[], configuration: ImageConfiguration): Image {
  const config = store(
    JSON.stringify({
      architecture: ARCHITECTURES[process.arch],
      os: 'linux',
      config: configuration,
      rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
    }),
    CONFIGURATION,
  );
  const manifest = store(JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, config, layers }), MANIFEST);
  return { name: fullName(name), manifest, blobs: [manifest, config, ...layers] };
}

/** Paths of the files that an image holds, without a leading slash. */
export async function filesOf(image: Image): Promise<ReadonlySet<string>> {
  const layers = image.blobs.filter(({ mediaType }) => mediaType === LAYER);
  const lists = await Promise.all(layers.map(({ digest }) => mustRun(['tar', '-tf', blobPath(digest)])));
  return new Set(lists.flatMap((list) => list.split('\n').map((path) => path.replace(/^\.\//, ''))));
}

/** A shell command that writes the images as one archive to its standard output, and the directory that it reads from. */
export function archiveCommand(images: readonly Image[]): { readonly command: string; readonly directory: string } {
  const directory = mkdtempSync(join(tmpdir(), 'sideroute-oci-'));
  writeFileSync(join(directory, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  const manifests = images.map(({ name, manifest }) => ({
    ...manifest,
    annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name },
  }));
  writeFileSync(join(directory, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
  const digests = [...new Set(images.flatMap(({ blobs }) => blobs.map(({ digest }) => digest.replace('sha256:', ''))))];
  const files = digests.map((digest) => `blobs/sha256/${digest}`).join(' ');
  return {
    command: `tar -cf - -C '${directory}' oci-layout index.json -C '${IMAGES}' ${files}`,
    directory,
  };
}
