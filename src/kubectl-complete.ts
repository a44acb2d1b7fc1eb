#!/usr/bin/env node
/**
 * `kubectl_complete-sideroute`, which kubectl looks for on the PATH to complete what is typed behind `kubectl sideroute`. It is a program of its
 * own, for what is typed is no command line of it: `proxy` there must start nothing.
 */
void main();

async function main(): Promise<void> {
  // All of it on demand, as in `main.ts`: what a sidecar loads is cut into files as if this were not there.
  const [{ buildProgram }, { kubectlLines }, { outputSettled, writeOutput }] = await Promise.all([
    import('./program.ts'),
    import('./cli/completion/kubectl.ts'),
    import('./cli/standard-streams.ts'),
  ]);
  writeOutput(kubectlLines(buildProgram(), process.argv.slice(2)));
  await outputSettled();
}
