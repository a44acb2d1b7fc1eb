/** A headless Chromium in the network namespace of a pod, and a page that reports errors. */
// Needs: chromium.
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { launch, type Browser, type Page } from 'puppeteer-core';
import type { Pod } from './cluster.ts';

export interface WatchedPage {
  readonly page: Page;
  /** What the console, the page or its policy complained about, and requests to other origins. */
  readonly complaints: string[];
}

/**
 * `directory`: where the browser writes. Commands go through pipes, so the browser need not be reachable by network.
 */
export async function startBrowser(pod: Pod, directory: string): Promise<Browser> {
  const program = join(directory, 'chromium-in-pod');
  writeFileSync(program, `#!/bin/sh\nexec ip netns exec ${pod.netns} chromium "$@"\n`);
  chmodSync(program, 0o755);
  return await launch({
    executablePath: program,
    pipe: true,
    userDataDir: join(directory, 'chromium'),
    args: ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--force-color-profile=srgb'],
  });
}

export async function openPage(browser: Browser, url: string): Promise<WatchedPage> {
  const page = await browser.newPage();
  const complaints: string[] = [];
  const { origin } = new URL(url);
  page.on('console', (message) => {
    if (['error', 'warn'].includes(message.type())) complaints.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`error: ${String(error)}`));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== origin) complaints.push(`request: ${request.url()}`);
  });
  await page.evaluateOnNewDocument(`
    globalThis.violations = [];
    addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective + ' ' + event.blockedURI));
  `);
  await page.goto(url, { waitUntil: 'load' });
  return { page, complaints };
}
