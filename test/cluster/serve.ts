/** `node dist/test/cluster/serve.js api|node`: a test cluster for people, until Ctrl-C. */
import { startApi } from './api.ts';
import { applicationImages, nodeImage, siderouteImages } from './images.ts';
import { startNode } from './node.ts';
import { buildPrograms } from './programs.ts';

const size = process.argv[2];
if (size !== 'api' && size !== 'node') {
  process.stderr.write('usage: serve.js api|node\n');
  process.exit(2);
}
await buildPrograms(size);
const cluster = size === 'api' ? await startApi() : await startNode();
if ('load' in cluster) {
  await cluster.load([...(await siderouteImages()), ...(await applicationImages()), await nodeImage()]);
}
const node = 'load' in cluster ? ` SIDEROUTE_NODE='${cluster.enter([]).join(' ')}'` : '';
process.stdout.write(`export KUBECONFIG=${cluster.kubeconfig} PATH=${cluster.bin}:$PATH${node}\n`);
setInterval(() => undefined, 60_000);
