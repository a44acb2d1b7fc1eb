/** What the documents show besides commands: manifests, parts of them, queries; and commands within sentences. All of it is valid. */
// Needs: helm, promtool.
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { sideroute } from '../support/cli.ts';
import { runCommand } from '../support/cluster.ts';
import { documents, fencedBlocks, inlineCommands, type Block } from '../support/docs/blocks.ts';
import { schemaProblems } from '../support/kubernetes-schema.ts';
import { container, DEPLOY, find, parseManifests, program, ROOT, type Manifest } from '../support/manifests.ts';
import { temporaryDirectory } from '../support/sidecar.ts';

/** Routes of the task pages are served and asked by docs-tasks.test.ts, those that are shown for their fault among them. */
const blocks = documents()
  .filter((document) => !document.startsWith('docs/tasks/'))
  .flatMap((document) => fencedBlocks(document));
const inLanguage = (language: string) => blocks.filter((block) => block.language === language);

function directoryOf(t: Test): string {
  const { path, remove } = temporaryDirectory();
  t.teardown(remove);
  return path;
}

function must(command: readonly string[]): string {
  const result = runCommand(command[0]!, command.slice(1));
  if (result.status !== 0) throw new Error(`${command.join(' ')}: exit ${result.status}: ${result.stderr}`);
  return result.stdout;
}

/** The command line of kustomize, of its own or within a kubectl that knows components; null: neither is there. */
function kustomizeCommand(): string[] | null {
  const own = program('kustomize');
  if (own !== null) return [own, 'build'];
  const kubectl = program('kubectl');
  if (kubectl === null) return null;
  const { clientVersion } = JSON.parse(must([kubectl, 'version', '--client', '-o', 'json'])) as {
    clientVersion: { minor: string };
  };
  return parseInt(clientVersion.minor) >= 21 ? [kubectl, 'kustomize'] : null;
}

/** `path/to` of a block, below a directory. */
function placeDeploy(directory: string, part: string): void {
  cpSync(join(DEPLOY, part), join(directory, 'path', 'to', 'deploy', part), { recursive: true, dereference: true });
}

/** Built where kustomize is there; that the resources and components are there, always. */
function kustomization(t: Test, { text }: Block): void {
  const { resources, components } = parse(text) as { resources: string[]; components: string[] };
  t.ok(
    existsSync(join(ROOT, components[0]!.replace(/^path\/to\//, ''), 'kustomization.yaml')),
    `${components[0]} is there`,
  );
  const command = kustomizeCommand();
  if (command === null) {
    t.comment('neither kustomize nor kubectl 1.21 or later is installed');
    return;
  }
  const directory = directoryOf(t);
  placeDeploy(directory, components[0]!.replace(/^path\/to\/deploy\//, ''));
  writeFileSync(join(directory, 'kustomization.yaml'), text);
  const workload = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    // What the comment of the block says that it has.
    metadata: { name: 'app', ...(parse(/# metadata\.(labels: .*)/.exec(text)![1]!) as object) },
    spec: {
      selector: { matchLabels: { app: 'app' } },
      template: { metadata: { labels: { app: 'app' } }, spec: { containers: [{ name: 'app', image: 'app' }] } },
    },
  };
  writeFileSync(join(directory, resources[0]!), JSON.stringify(workload));
  const built = find(parseManifests(must([...command, directory])), 'Deployment', 'app');
  t.same(schemaProblems(built), [], 'the Deployment has only fields of the API');
  for (const name of ['sideroute', 'sideroute-init'])
    t.match(container(built, name).image, new RegExp(`^registry\\.example/${name}:`), `${name} is of the registry`);
}

/** Rendered where helm is there; that the templates are there, always. */
function workloadChart(t: Test, [chart, template]: readonly Block[]): void {
  const defined = readFileSync(join(DEPLOY, 'helm', 'sideroute', 'templates', '_workload.tpl'), 'utf8');
  for (const [, name] of template!.text.matchAll(/include "([\w.]+)"/g))
    t.ok(defined.includes(`define "${name}"`), `${name} is defined`);
  const [dependency] = (parse(chart!.text) as { dependencies: Record<'name' | 'version' | 'repository', string>[] })
    .dependencies;
  const own = parse(readFileSync(join(DEPLOY, 'helm', 'sideroute', 'Chart.yaml'), 'utf8')) as object;
  t.match(own, { name: dependency!.name, version: dependency!.version }, 'the dependency is this chart');
  const helm = program('helm');
  if (helm === null) {
    t.comment('helm is not there, nor Go to build it with');
    return;
  }
  const directory = directoryOf(t);
  placeDeploy(directory, 'helm/sideroute');
  mkdirSync(join(directory, 'templates'));
  writeFileSync(join(directory, 'Chart.yaml'), `apiVersion: v2\nname: app\nversion: 0.0.1\n${chart!.text}`);
  const head = 'apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app\nspec:\n';
  const text = template!.text.replace('- name: app\n', '- name: app\n          image: app\n');
  const rest = '  selector:\n    matchLabels: { app: app }\n';
  writeFileSync(
    join(directory, 'templates', 'deployment.yaml'),
    head + rest + text.replace('metadata:\n', 'metadata:\n      labels: { app: app }\n'),
  );
  must([helm, 'dependency', 'build', directory]);
  const rendered = parseManifests(must([helm, 'template', 'r', directory, '--kube-version', '1.31.0']));
  const app = find(rendered, 'Deployment', 'app');
  t.same(schemaProblems(app), [], 'the Deployment has only fields of the API');
  for (const name of ['sideroute', 'sideroute-init', 'app']) t.ok(container(app, name), `it has ${name}`);
}

/** Routes and Services: what `sideroute check` says of the file. Anything else: the schema of Kubernetes. */
function manifests(t: Test, text: string): void {
  const parsed = parseManifests(text);
  const routes = parsed.some(({ kind }) => kind === 'HTTPRoute');
  if (routes) {
    const directory = directoryOf(t);
    writeFileSync(join(directory, 'block.yaml'), text);
    const result = sideroute(['check', directory]);
    if (!t.equal(result.status, 0, 'sideroute check accepts it')) t.comment(result.stdout, result.stderr);
  }
  for (const manifest of parsed.filter(({ kind }) => kind !== 'HTTPRoute'))
    t.same(schemaProblems(manifest) ?? [], [], `${manifest.kind} ${manifest.metadata.name} has only fields of the API`);
}

/** Values for the chart of sideroute have the names that it has. */
function values(t: Test, given: unknown, known: unknown, path: string): void {
  if (typeof known !== 'object' || known === null || Array.isArray(known)) return;
  for (const [key, value] of Object.entries(given as object)) {
    // An empty mapping takes any key.
    if (Object.keys(known).length > 0) t.ok(key in known, `${path}${key} is a value of the chart`);
    values(t, value, (known as Record<string, unknown>)[key], `${path}${key}.`);
  }
}

t.test('every block of YAML is valid', async (t) => {
  const charts: Block[] = [];
  for (const block of inLanguage('yaml')) {
    const { text } = block;
    if (/^# (Chart|templates\/\S+)\.yaml of the workload/.test(text)) charts.push(block);
    else
      await t.test(`${block.title}, line ${block.line}`, async (t) => {
        if (text.startsWith('# kustomization.yaml')) {
          kustomization(t, block);
          return;
        }
        const [first] = parseManifests(text);
        if (first !== undefined && 'kind' in first) {
          manifests(t, text);
          return;
        }
        const chart = readFileSync(join(DEPLOY, 'helm', 'sideroute', 'values.yaml'), 'utf8');
        if (text.startsWith('# values.yaml')) {
          values(t, first, parse(chart), '');
          return;
        }
        t.ok(first, 'it parses');
        // A part of a pod template or of its metadata.
        const part = (first as unknown as { metadata?: Manifest['metadata'] }).metadata;
        for (const name of Object.keys(part?.annotations ?? {}))
          t.match(name, /^(sideroute\.dev|prometheus\.io|kubectl\.kubernetes\.io)\//, `${name} is known`);
      });
  }
  await t.test('the chart of a workload', async (t) => workloadChart(t, charts));
});

t.test("the README's route is the scenario's", async (t) => {
  const [block] = inLanguage('yaml').filter(({ document }) => document === 'README.md');
  const route = readFileSync(join(ROOT, 'test', 'fixtures', 'scenario', 'my-server-route.yaml'), 'utf8');
  t.same(parse(block!.text), parse(route));
});

t.test('every block of JSON parses', async (t) => {
  const blocks = inLanguage('json');
  t.not(blocks.length, 0);
  for (const { title, text } of blocks) t.doesNotThrow(() => JSON.parse(text) as unknown, title);
});

const kustomize = kustomizeCommand();
const noKustomize = kustomize === null && 'neither kustomize nor kubectl 1.21 or later is installed';
t.test('the stand-in for kustomize makes of the scenario what the real one makes', { skip: noKustomize }, async (t) => {
  const { resources } = parse(readFileSync(join(DEPLOY, 'scenario', 'kustomization.yaml'), 'utf8')) as {
    resources: string[];
  };
  const files = resources.flatMap((name) => parseManifests(readFileSync(join(DEPLOY, 'scenario', name), 'utf8')));
  const key = ({ kind, metadata }: Manifest) => `${kind} ${metadata.name}`;
  const sorted = (list: Manifest[]) => list.sort((a, b) => (key(a) < key(b) ? -1 : 1));
  t.same(sorted(parseManifests(must([...kustomize!, join(DEPLOY, 'scenario')]))), sorted(files));
});

const promtool = program('promtool');
const noPromtool = promtool === null && 'promtool is not installed (Debian package prometheus)';
t.test('every query can be parsed', { skip: noPromtool }, async (t) => {
  const rules = inLanguage('promql').map(({ title, text }, index) => ({
    record: `query:${index}`,
    expr: text,
    labels: { title },
  }));
  const file = join(directoryOf(t), 'rules.yaml');
  writeFileSync(file, JSON.stringify({ groups: [{ name: 'documents', rules }] }));
  t.match(must([promtool!, 'check', 'rules', file]), `SUCCESS: ${rules.length} rules found`);
});

t.test('commands within sentences name scripts, targets and files that are there', async (t) => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: object };
  let seen = 0;
  for (const document of documents())
    for (const command of inlineCommands(document, ['node', 'npm', 'make', 'docker'])) {
      seen += 1;
      const words = command.replace(/^([A-Z_]+=\S+ )+/, '').split(' ');
      const script = words[0] === 'npm' ? (words[1] === 'run' ? words[2]! : words[1]!) : null;
      if (script !== null)
        t.ok(
          script in scripts || ['ci', 'install', 'uninstall'].includes(script),
          `${document}: ${command}: package.json has ${script}`,
        );
      // An ellipsis or a pattern stands for several files.
      for (const file of words.filter((word) => /^(dist|scripts|bench|test)\/[\w/.-]+\.m?js$/.test(word)))
        t.ok(existsSync(join(ROOT, file)), `${document}: ${command}: ${file} is there`);
      if (words[0] === 'make') {
        const [, folder, target] = /^make -C (\S+) (\S+)$/.exec(command)!;
        t.match(
          readFileSync(join(ROOT, folder!, 'Makefile'), 'utf8'),
          new RegExp(`^${target}:`, 'm'),
          `${document}: ${command}`,
        );
      }
    }
  t.ok(seen > 5, `${seen} commands looked at`);
});
