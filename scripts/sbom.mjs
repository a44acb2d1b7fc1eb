/**
 * `node scripts/sbom.mjs FILE`: writes the SPDX 2.3 list of what the sidecar's image runs: the production dependencies
 * as pinned in package-lock.json, and the Node.js that runs this script. The base image lists its own contents in
 * /var/lib/dpkg/status.d.
 *
 * Reads the lock file itself, because `npm sbom --omit dev` leaves out a production dependency that a development
 * dependency needs too.
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/** The path in node_modules that `name` resolves to from `from`; null if it is not installed. */
function resolved(packages, from, name) {
  for (let directory = from; ; directory = directory.slice(0, Math.max(0, directory.lastIndexOf('/node_modules/')))) {
    const path = `${directory === '' ? '' : `${directory}/`}node_modules/${name}`;
    if (packages[path] !== undefined) return path;
    if (directory === '') return null;
  }
}

/** All paths reachable from the root without its devDependencies, and the edges between them. */
function productionGraph(packages) {
  const edges = [];
  const seen = new Set(['']);
  for (const from of seen) {
    const { dependencies = {}, optionalDependencies = {} } = packages[from];
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const path = resolved(packages, from, name);
      if (path === null && !(name in optionalDependencies)) throw new Error(`package-lock.json lacks ${name}`);
      if (path === null) continue;
      edges.push([from, path]);
      seen.add(path);
    }
  }
  return { paths: [...seen], edges };
}

function packageOf(path, entry) {
  const name = entry.name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
  const checksum = /^sha512-(.+)$/.exec(entry.integrity ?? '')?.[1];
  return {
    SPDXID: idOf(name, entry.version),
    name,
    versionInfo: entry.version,
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    licenseDeclared: entry.license ?? 'NOASSERTION',
    ...(checksum && {
      checksums: [{ algorithm: 'SHA512', checksumValue: Buffer.from(checksum, 'base64').toString('hex') }],
    }),
    externalRefs: [purl(`pkg:npm/${name.replace('@', '%40')}@${entry.version}`)],
  };
}

const purl = (locator) => ({
  referenceCategory: 'PACKAGE-MANAGER',
  referenceType: 'purl',
  referenceLocator: locator,
});

function idOf(name, version) {
  return `SPDXRef-Package-${name.replaceAll(/[^A-Za-z0-9.]+/g, '-').replace(/^-/, '')}-${version}`;
}

const lock = readFileSync(resolve(root, 'package-lock.json'), 'utf8');
const { packages } = JSON.parse(lock);
const { paths, edges } = productionGraph(packages);
const idAt = (path) => packageOf(path, packages[path]).SPDXID;
const node = process.versions.node;
const nodeId = idOf('node', node);
// The same lock file and Node.js give the same text except for the date, which SOURCE_DATE_EPOCH fixes.
const created = new Date(Number(process.env.SOURCE_DATE_EPOCH ?? Date.now() / 1000) * 1000);
const digest = createHash('sha256').update(lock).update(node).digest('hex');
const document = {
  spdxVersion: 'SPDX-2.3',
  dataLicense: 'CC0-1.0',
  SPDXID: 'SPDXRef-DOCUMENT',
  name: `sideroute-${packages[''].version}`,
  documentNamespace: `https://sideroute.dev/spdx/sideroute-${packages[''].version}-${digest}`,
  creationInfo: { created: `${created.toISOString().slice(0, 19)}Z`, creators: ['Tool: sideroute-scripts-sbom'] },
  documentDescribes: [idAt('')],
  packages: [
    ...paths.map((path) => packageOf(path, packages[path])),
    {
      SPDXID: nodeId,
      name: 'node',
      versionInfo: node,
      downloadLocation: `https://nodejs.org/dist/v${node}/`,
      filesAnalyzed: false,
      licenseDeclared: 'MIT',
      externalRefs: [purl(`pkg:generic/node@${node}`)],
    },
  ],
  relationships: [
    { spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: idAt('') },
    ...edges.map(([from, to]) => ({
      spdxElementId: idAt(from),
      relationshipType: 'DEPENDS_ON',
      relatedSpdxElement: idAt(to),
    })),
    { spdxElementId: idAt(''), relationshipType: 'DEPENDS_ON', relatedSpdxElement: nodeId },
  ],
};
writeFileSync(process.argv[2] ?? 'sbom.spdx.json', `${JSON.stringify(document, null, 2)}\n`);
