/**
 * docs/first-hour.md in a real Kubernetes: on a machine without sideroute every route is applied and every command is typed as it stands, and
 * prints what the document shows. Until the first route is explained these are eight commands at most, whose time is told.
 */
// Needs: helm.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { commandsOf, consoleSteps, fencedBlocks, printed, type Step } from '../support/docs/blocks.ts';
import { repositoryCopy } from '../support/docs/places.ts';
import { eventually } from '../support/eventually.ts';
import { program } from '../support/manifests.ts';
import { applicationImages, nodeImage, siderouteImages } from './images.ts';
import { startNode } from './node.ts';
import { runToEnd } from './processes.ts';
import { say } from './say.ts';

const DOCUMENT = 'docs/first-hour.md';
const MOST_COMMANDS = 8;
const DEADLINE_MS = 60_000;
const TIMEOUT_MS = 900_000;

t.setTimeout(TIMEOUT_MS);

/** What the document says takes a moment: a change arrives in sidecars, in status and in the log of a mirror by itself. */
const ASKS = /^(kubectl .* (exec|get) |sideroute )/;

t.test('the first hour', { timeout: TIMEOUT_MS }, async (t) => {
  const cluster = await startNode();
  t.teardown(() => cluster.stop());
  await cluster.load([...(await siderouteImages()), ...(await applicationImages()), await nodeImage()]);
  const clone = repositoryCopy();
  t.teardown(clone.close);
  const machine = join(clone.directory, '.machine');
  const [tools, home, prefix] = ['tools', 'home', 'prefix'].map((name) => join(machine, name)) as [
    string,
    string,
    string,
  ];
  for (const directory of [tools, home, prefix]) mkdirSync(directory, { recursive: true });
  symlinkSync(process.execPath, join(tools, 'node'));
  symlinkSync(program('helm')!, join(tools, 'helm'));
  const env = {
    HOME: home,
    PATH: `${join(prefix, 'bin')}:${tools}:${cluster.bin}:/usr/bin:/bin`,
    KUBECONFIG: cluster.kubeconfig,
    npm_config_prefix: prefix,
    npm_config_update_notifier: 'false',
  };
  const type = async (command: string) =>
    await runToEnd(['bash', '-c', command], { env, cwd: clone.directory, timeoutMs: 300_000 });
  t.not((await type('command -v sideroute')).status, 0, 'the machine has no sideroute');

  /** What it said last, and whether that is what the document shows. */
  async function step({ command, output }: Step): Promise<{ held: boolean; said: string }> {
    let said = '';
    const once = async (): Promise<boolean> => {
      const { stdout, stderr } = await type(command);
      said = `${stderr}${stdout}`.replaceAll('\r\n', '\n');
      return output.trim() === '' ? said.trim() === '' : printed(output, said);
    };
    if (!ASKS.test(command)) return { held: await once(), said };
    const held = await eventually(command, once, DEADLINE_MS).catch(() => false);
    return { held, said };
  }

  const blocks = fencedBlocks(DOCUMENT);
  const steps = blocks.filter(({ language }) => language === 'console').flatMap(({ text }) => consoleSteps(text));
  const explained = steps.findIndex(({ command }) => command.startsWith('sideroute explain'));
  const before = commandsOf(
    steps
      .slice(0, explained + 1)
      .map(({ command }) => `${command}\n`)
      .join(''),
  );
  t.ok(before.length <= MOST_COMMANDS, `${before.length} commands until the first route is explained`);

  const start = performance.now();
  let typed = 0;
  for (const block of blocks) {
    if (block.language === 'yaml') writeFileSync(join(clone.directory, 'route.yaml'), block.text);
    if (block.language !== 'console') continue;
    for (const each of consoleSteps(block.text)) {
      const { held, said } = await step(each);
      if (!t.ok(held, `line ${block.line}: ${each.command}`)) t.comment(said);
      const seconds = Math.round((performance.now() - start) / 1000);
      if (typed <= explained) say(`first hour, after ${seconds} s: ${each.command}`);
      typed += 1;
    }
  }
});

t.test('the tasks begin with what the first hour has done', async (t) => {
  const own = fencedBlocks(DOCUMENT)
    .filter(({ language }) => language === 'console')
    .flatMap(({ text }) => consoleSteps(text).map(({ command }) => command));
  const [setUp] = fencedBlocks('docs/tasks/README.md');
  for (const command of commandsOf(setUp!.text)) t.ok(own.includes(command), command);
});
