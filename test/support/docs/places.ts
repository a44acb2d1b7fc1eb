/** Places in which the commands of the documents run: a copy of the repository, and stand-in clusters. */
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runCommand } from '../cluster.ts';
import { find, parseManifests, ROOT } from '../manifests.ts';
import { outcomeOf } from '../processes.ts';
import { temporaryDirectory } from '../sidecar.ts';
import { StandInCluster, type ShellResult } from '../stand-in/cluster.ts';

export interface Place {
  /** Runs a script of bash to its end. */
  run: (script: string, env?: Readonly<Record<string, string>>) => Promise<ShellResult>;
  readonly directory: string;
  readonly close: () => void | Promise<void>;
}

/** A copy of the built repository, so that a test run in it does not overwrite the report of this run. */
export function repositoryCopy(): Place {
  const { path: directory, remove } = temporaryDirectory();
  for (const name of readdirSync(ROOT)) {
    if (name === 'node_modules') symlinkSync(join(ROOT, name), join(directory, name));
    else if (!['.git', '.tap'].includes(name))
      cpSync(join(ROOT, name), join(directory, name), {
        recursive: true,
        preserveTimestamps: true,
        // The test of the benchmark may be building there at the same time.
        filter: (path) => path !== join(ROOT, 'bench', 'native', 'build'),
      });
  }
  const plugins = join(ROOT, '.tap', 'plugins');
  if (existsSync(plugins)) cpSync(plugins, join(directory, '.tap', 'plugins'), { recursive: true });
  return { directory, close: remove, run: (script, env) => bash(script, directory, env) };
}

/**
 * Runs a script as a user in `directory` would, without what npm and tap have set for the test itself. tap adds its
 * loader to NODE_OPTIONS of each child, whatever `env` is; env(1) removes it again.
 */
function bash(script: string, cwd: string, env: Readonly<Record<string, string>> = {}): Promise<ShellResult> {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(npm_|TAP|_TAPJS|NODE_OPTIONS)/.test(name));
  const child = spawn('env', ['--unset=NODE_OPTIONS', 'bash', '-euo', 'pipefail', '-c', script], {
    cwd,
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return outcomeOf(child);
}

/** A stand-in cluster and a directory with the files that the documents assume. */
export interface ClusterPlace extends Place {
  readonly cluster: StandInCluster;
  /** Writes a file into the directory. */
  readonly write: (name: string, text: string) => void;
}

/** `within`: the repository itself, if its own files are named; otherwise an empty directory is used. */
export async function clusterPlace(within?: string): Promise<ClusterPlace> {
  const cluster = await StandInCluster.start();
  const { path, remove } = temporaryDirectory();
  const directory = within ?? path;
  return {
    cluster,
    directory,
    run: (script, env) => cluster.shell(script, directory, env),
    write: (name, text) => {
      mkdirSync(dirname(join(path, name)), { recursive: true });
      writeFileSync(join(path, name), text);
    },
    close: async () => {
      await cluster.close();
      remove();
    },
  };
}

/** The images of the scenario, as if they had been built and pushed. */
export const IMAGES = ['sideroute:0.1.0', 'sideroute-init:0.1.0'] as const;

/**
 * A cluster in which the scenario runs and its namespace is the current one. The directory has `routes/`, the files of
 * its ConfigMap, and `deployment.yaml`, its client without sideroute.
 */
export async function scenarioPlace(): Promise<ClusterPlace> {
  const place = await clusterPlace();
  place.cluster.images.add(...IMAGES);
  const manifests = parseManifests(readFileSync(join(ROOT, 'deploy', 'scenario', 'routes.yaml'), 'utf8'));
  for (const [name, text] of Object.entries(find(manifests, 'ConfigMap').data!)) place.write(`routes/${name}`, text);
  place.write('deployment.yaml', plainClient());
  const result = await place.run(
    `kubectl apply -k ${ROOT}/deploy/scenario
     kubectl config set-context --current --namespace devopssong
     kubectl wait --for=condition=Available --timeout=120s deployment --all`,
  );
  if (result.status !== 0) throw new Error(result.stderr);
  return place;
}

/** The client of the scenario as it was before it got a sidecar. */
export function plainClient(): string {
  const [client] = parseManifests(readFileSync(join(ROOT, 'deploy', 'scenario', 'client.yaml'), 'utf8'));
  const { spec } = structuredClone(client!);
  const pod = spec!.template!;
  const bare = {
    ...client,
    spec: {
      ...spec,
      template: { metadata: { labels: pod.metadata.labels }, spec: { containers: pod.spec.containers } },
    },
  };
  return `${JSON.stringify(bare, undefined, 2)}\n`;
}

/** Whether a program is on this machine's PATH. */
export const isInstalled = (name: string): boolean => runCommand('bash', ['-c', `command -v ${name}`]).status === 0;
