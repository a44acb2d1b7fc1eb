/**
 * The pages of docs/tasks/: each block of YAML is applied as it stands, each command behind it is run against the sidecar that has these routes,
 * and prints what the page shows. The page is all that the test knows of its task.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { eventually } from '../support/eventually.ts';
import { consoleSteps, fencedBlocks, printed, type Step } from '../support/docs/blocks.ts';
import { skip } from '../support/docs/running.ts';
import { CHECKOUT, SHOP, Shop } from '../support/docs/shop.ts';
import { find, parseManifests, ROOT, type Manifest } from '../support/manifests.ts';

const FOLDER = 'docs/tasks';
const INDEX = 'README.md';
const pages = readdirSync(join(ROOT, FOLDER)).filter((name) => name.endsWith('.md') && name !== INDEX);

/** Copies and their ends come when they come: a page may ask for them until they are there. */
const COMES_LATER = /\/log'?$|\/metrics/;

async function step(shop: Shop, { host, command, output }: Step): Promise<{ held: boolean; said: string }> {
  let said = '';
  const held = async (): Promise<boolean> => {
    const { stdout, stderr } = await shop.run(host, command);
    said = `${stdout}${stderr}`.replaceAll('\r\n', '\n');
    return output.trim() === '' ? said.trim() === '' : printed(output, said);
  };
  if (!COMES_LATER.test(command)) return { held: await held(), said };
  return { held: await eventually(command, held).catch(() => false), said };
}

t.test('every page is in the index, and the index has no others', async (t) => {
  const index = readFileSync(join(ROOT, FOLDER, INDEX), 'utf8');
  t.same([...new Set([...index.matchAll(/\]\(([\w-]+\.md)\)/g)].map(([, name]) => name!))].sort(), pages.sort());
});

t.test('the second client is that of the shop, in a namespace of its own that is injected', (t) => {
  const [shop, checkout] = [SHOP, CHECKOUT].map((path) => parseManifests(readFileSync(join(ROOT, path), 'utf8')));
  const client = (manifests: readonly Manifest[]) => find(manifests, 'Deployment', 'client');
  t.same(client(checkout!).spec, client(shop!).spec);
  const { name, labels } = find(checkout!, 'Namespace').metadata;
  t.equal(client(checkout!).metadata.namespace, name);
  t.not(name, find(shop!, 'Namespace').metadata.name);
  t.same(labels, find(shop!, 'Namespace').metadata.labels);
  t.end();
});

t.test('what a page shows is what happens', { skip, timeout: 280_000 }, async (t) => {
  const shop = await Shop.start(t);
  for (const page of pages)
    await t.test(page, async (t) => {
      await shop.apply('');
      let commands = 0;
      for (const block of fencedBlocks(join(FOLDER, page))) {
        if (block.language === 'yaml') await shop.apply(block.text);
        else if (block.language !== 'console') t.fail(`line ${block.line}: neither YAML nor a session`);
        else
          for (const each of consoleSteps(block.text)) {
            const { held, said } = await step(shop, each);
            if (!t.ok(held, `line ${block.line}: ${each.command}`)) t.comment(said);
            commands += 1;
          }
      }
      t.ok(commands > 1, `${commands} commands`);
    });
});
