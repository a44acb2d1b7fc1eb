/** The shop of `admin-page-routes.ts` under load, the admin page of its caller's sidecar in a browser, and what the tests ask of a page. */
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Browser, Page } from 'puppeteer-core';
import { LOAD, shopFiles, startShop, type Shop } from './admin-page-routes.ts';
import { openPage, startBrowser, type WatchedPage } from './browser.ts';
import { clusterOf } from './cluster-of.ts';
import type { Pod } from './cluster.ts';
import { ConfigMapMount } from './config-map-mount.ts';
import { eventually } from './eventually.ts';
import { waitForLine } from './processes.ts';
import { fixture, Sidecar } from './sidecar.ts';

export const ADMIN = 'http://127.0.0.1:15000/';
/** The browser shares the machine with other tests. */
export const PATIENCE_MS = 120_000;
export const DESKTOP = { width: 1440, height: 1000 };

export interface AdminPageStage extends WatchedPage {
  /** For files of the test. */
  readonly directory: string;
  /** The caller of the shop, and where the sidecar runs. */
  readonly client: Pod;
  readonly shop: Shop;
  readonly mount: ConfigMapMount;
  readonly sidecar: Sidecar;
  /** What sends `LOAD`. */
  readonly load: ReturnType<Pod['spawn']>;
  readonly browser: Browser;
}

export async function startAdminPage(t: Test): Promise<AdminPageStage> {
  const { cluster, directory } = clusterOf(t);
  const client = cluster.addPod('client');
  const shop = await startShop(cluster, cluster.addPod('server'));
  const mount = new ConfigMapMount(join(directory.path, 'routes'), shopFiles());
  const sidecar = await Sidecar.start(client, mount.path, '--namespace', 'shop');
  const load = client.spawn(fixture('steady-client', JSON.stringify(LOAD)), { stdio: ['pipe', 'pipe', 'pipe'] });
  await waitForLine(load, /^running/);
  const browser = await startBrowser(client, directory.path);
  t.teardown(() => browser.close());
  const watched = await openPage(browser, ADMIN);
  await watched.page.setViewport(DESKTOP);
  return { ...watched, directory: directory.path, client, shop, mount, sidecar, load, browser };
}

/** Text of the first element, empty when there is none. */
export async function text(page: Page, selector: string): Promise<string> {
  return (await page.evaluate(`document.querySelector(${JSON.stringify(selector)})?.textContent ?? ''`)) as string;
}

export async function count(page: Page, selector: string): Promise<number> {
  return (await page.evaluate(`document.querySelectorAll(${JSON.stringify(selector)}).length`)) as number;
}

/** Waits until the first element has a text like this. */
export async function shows(page: Page, selector: string, pattern: RegExp): Promise<void> {
  let last = '';
  const matches = async (): Promise<boolean> => pattern.test((last = await text(page, selector)));
  await eventually(`${selector} shows ${pattern}`, matches, PATIENCE_MS).catch((error: unknown) => {
    throw new Error(`${String(error)}; it shows: ${last}`);
  });
}
