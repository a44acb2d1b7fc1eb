/**
 * Command blocks that neither a copy of the repository nor the stand-in cluster can run, by title, with the test that
 * runs them.
 */

/** test/e2e/package.test.ts: on a machine without other programs. */
export const PACKAGE_BLOCK = 'docs/cli.md > On your own machine (2)';

/** test/e2e/images.test.ts: with built images. */
export const CONTAINER_BLOCK = 'docs/cli.md > As a container';

/** test/cluster/scenario.test.ts: admission, the controller and status need a real Kubernetes. */
const INSTALL_BLOCK = 'README.md > Install in a cluster';

export const ELSEWHERE: ReadonlySet<string> = new Set([PACKAGE_BLOCK, CONTAINER_BLOCK, INSTALL_BLOCK]);
