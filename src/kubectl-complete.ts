#!/usr/bin/env node
/**
 * `kubectl_complete-sideroute`, which kubectl looks for on the PATH to complete the words after `kubectl sideroute`. It is a separate
 * program, because these words are not its own command line: `proxy` among them must not start a sidecar.
 */
void main();

async function main(): Promise<void> {
  // Everything is loaded on demand, as in `main.ts`, so that this program does not change the files that a sidecar loads.
  const [{ buildProgram }, { kubectlLines }, { outputSettled, writeOutput }] = await Promise.all([
    import('./program.ts'),
    import('./cli/completion/kubectl.ts'),
    import('./cli/standard-streams.ts'),
  ]);
  writeOutput(kubectlLines(buildProgram(), process.argv.slice(2)));
  await outputSettled();
}
