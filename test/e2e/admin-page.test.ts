/**
 * The admin page in a real browser, beside a real sidecar with real traffic.
 *
 * SIDEROUTE_SCREENSHOTS=1 lets the traffic run for minutes first, and writes the pictures to docs/images/.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import type { HTTPRequest, Page } from 'puppeteer-core';
import { addRule, clusterIP, HOSTILE, hostileFiles, shopFiles } from '../support/admin-page-routes.ts';
import { count, DESKTOP, PATIENCE_MS, shows, startAdminPage, text } from '../support/admin-page-stage.ts';
import { eventually } from '../support/eventually.ts';
import { largeRouteFiles } from '../support/large-routes.ts';
import { ROOT } from '../support/manifests.ts';
import { Sidecar } from '../support/sidecar.ts';

const COMMITTED = process.env['SIDEROUTE_SCREENSHOTS'] === '1';
const MAX_PICTURE_BYTES = 250_000;
/** Long enough to fill the curves. */
const POSE_MS = 200_000;
/** What Chromium writes to the console for such an answer, whatever the page does with it. */
const BAD_REQUEST = 'console: Failed to load resource: the server responded with a status of 400 (Bad Request)';
const PICTURE = { width: 1440, height: 800 };
const PHONE = { width: 360, height: 740 };

/** What the tests use of the browser's own types, which the tests are compiled without. */
interface Dom {
  readonly document: {
    querySelector(selector: string): { readonly textContent: string } | null;
    querySelectorAll(selector: string): { readonly length: number };
    readonly activeElement: { readonly id: string; readonly tagName: string };
    readonly documentElement: { readonly scrollWidth: number; readonly clientWidth: number };
  };
  readonly violations: readonly string[];
  readonly pwned?: unknown;
}

async function inPage<T>(page: Page, read: (dom: Dom) => T): Promise<T> {
  return (await page.evaluate(`(${String(read)})(globalThis)`)) as T;
}

/** Requests a second of a backend of a rule, as shown. */
async function rate(page: Page, rule: string, backend: string): Promise<number> {
  const shown = await text(page, `[data-rule="${rule}"] [data-backend="${backend}"] .rate`);
  return shown === '<0.1' ? 0.05 : Number(shown.replaceAll(',', ''));
}

/** Within what a busy machine may do to a steady rate, and to the time over which it is measured. */
async function near(page: Page, rule: string, backend: string, expected: number): Promise<void> {
  const [least, most] = [expected * 0.5, expected * 1.5];
  await eventually(
    `${rule} sends about ${expected} requests/s to ${backend}`,
    async () => {
      const shown = await rate(page, rule, backend);
      return shown >= least && shown <= most;
    },
    PATIENCE_MS,
  );
}

/** Cells of one row, by what is drawn of their texts, that overlap: `Requests/s with Errors`. */
async function overlaps(page: Page): Promise<string[]> {
  return (await page.evaluate(`(() => {
    const found = [];
    for (const row of document.querySelectorAll('table tr, summary .figures, dl.facts, .tiles')) {
      const boxes = [...row.children].flatMap((cell) => {
        const range = document.createRange();
        range.selectNodeContents(cell);
        return [...range.getClientRects()].map(({ left, right, top, bottom }) => ({
          text: cell.textContent.trim(), cell, left, right, top, bottom,
        }));
      }).filter(({ left, right }) => right > left);
      for (const [index, a] of boxes.entries()) {
        for (const b of boxes.slice(index + 1)) {
          if (a.cell === b.cell) continue;
          const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
          const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
          if (across > 0.5 && down > 0.5) found.push(a.text + ' with ' + b.text);
        }
      }
    }
    return [...new Set(found)];
  })()`)) as string[];
}

async function noSidewaysScrolling(page: Page): Promise<void> {
  const { scrollWidth, clientWidth } = await inPage(page, ({ document: { documentElement } }) => ({
    scrollWidth: documentElement.scrollWidth,
    clientWidth: documentElement.clientWidth,
  }));
  if (scrollWidth > clientWidth) throw new Error(`${scrollWidth} wide in a window of ${clientWidth}`);
}

t.test('the admin page in a browser', { timeout: 900_000 }, async (t) => {
  const stage = await startAdminPage(t);
  const { client, shop, mount, load, browser, page, complaints } = stage;
  let { sidecar } = stage;

  await t.test('shows the configuration, and rates that are near what is sent', async (t) => {
    await shows(page, '#state', /^Live$/);
    await shows(page, '#facts', /generation 1 · [0-9a-f]{12} · valid/);
    await shows(page, '#frontends-count', /^4 Service ports, 7 rules$/);
    await near(page, 'shop/web#0', 'shop/web-v2:80', 20);
    await near(page, 'shop/web#2', 'shop/web-v1:80', 54);
    await near(page, 'shop/web#1', 'shop/web-v1:80', 9);
    await near(page, 'shop/cart#0', '', 3);
    await near(page, 'shop/cart#1', 'shop/cart-v1:80', 25);
    await shows(page, '[data-rule="shop/cart#1"] [data-mirror="shop/web-v2:80"] td:nth-of-type(2)', /^[1-9]/);
    t.match(await text(page, '[data-rule="shop/web#1"] .matches'), /path starts with \/search.*method is GET/);
    t.match(
      await text(page, '[data-rule="shop/web#1"] .actions'),
      /set X-Tier: search, remove cookie.*timeout 2s.*2 retries on 503, backoff 50ms/i,
    );
    t.match(await text(page, '[data-rule="shop/web#2"] [data-backend="shop/web-v1:80"]'), /90%weight 90/);
    t.match(await text(page, '[data-rule="shop/web#0"] .address'), /10\.96\.0\.12.*in HTTP\/1\.1/);
    t.notMatch(await text(page, '[data-rule="shop/cart#1"] [data-backend="shop/cart-v1:80"] .address'), 'HTTP/');
    await shows(page, '#upstreams [data-key^="shop/web-v1:80 "]', /10\.96\.0\.11:80/);
    await shows(page, '#passthrough [data-key="unrouted"]', /tunnelled unread/);
    await shows(page, '#faults', /HTTPRoute shop\/queue.*ResolvedRefs=False/);
  });

  await t.test('a backend that stops is an error with its reason', async (t) => {
    t.notMatch(await text(page, '#errors'), /connect_failure/);
    if (COMMITTED) await pose(load, POSE_MS);
    await shop.stop('payments-v1');
    await shows(page, '#errors [data-key="connect_failure"]', /No endpoint of the backend accepted a connection/);
    await shows(page, '[data-frontend="shop/payments:80"] .figure.err', /^100% errors$/);
    await shows(page, '#upstreams [data-key^="shop/payments-v1:80 "] td:nth-of-type(5)', /^[1-9]/);
  });

  await t.test('a closed frontend says that all its requests fail, and the dot of a dead backend is red', async (t) => {
    const frontend = '[data-frontend="shop/payments:80"]';
    const rule = '[data-rule="shop/payments#0"] [data-backend="shop/payments-v1:80"]';
    await shows(page, `${rule} .address .dot.failing`, /10\.96\.0\.16/);
    await shows(page, `${rule} .address small`, /^not reached$/);
    await page.click(`${frontend} summary`);
    await eventually('closed', async () => (await page.$(`${frontend}[open]`)) === null);
    await shows(page, `${frontend} summary .alarm:not([hidden])`, /^every request fails/);
    await page.click(`${frontend} summary`);
    t.equal(await text(page, '[data-frontend="shop/web:80"] summary .alarm:not([hidden])'), '', 'others do not');
    t.equal(await text(page, '[data-rule="shop/web#0"] .address .dot.failing'), '');
  });

  await t.test('no two texts of a row overlap, whatever the width', async (t) => {
    for (const width of [1920, 1440, 1401, 1400, 1280, 1024, 901, 900, 360]) {
      await page.setViewport({ width, height: 900 });
      t.same(await overlaps(page), [], `${width} px`);
    }
    await page.setViewport(DESKTOP);
  });

  await t.test('pictures', async (t) => {
    const images = COMMITTED ? join(ROOT, 'docs', 'images') : join(stage.directory, 'images');
    mkdirSync(images, { recursive: true });
    const take = async (name: string): Promise<void> => {
      const path = join(images, `${name}.png`);
      await page.screenshot({ path });
      const bytes = readFileSync(path);
      t.equal(bytes.subarray(1, 4).toString('latin1'), 'PNG', name);
      t.ok(bytes.length > 20_000 && bytes.length < MAX_PICTURE_BYTES, `${name}: ${bytes.length} bytes`);
    };
    await page.setViewport(PICTURE);
    for (const scheme of ['light', 'dark']) {
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
      await page.click('nav a[data-view=traffic]');
      await take(`admin-traffic-${scheme}`);
      await page.click('nav a[data-view=explain]');
      await fill(page, { service: 'web.shop:80', path: '/search?q=shoes', headers: 'Host: web\nCookie: session=1' });
      await page.click('#explain-form button');
      await shows(page, '#verdict', /web-v1:80 \(75%\)/);
      await take(`admin-explain-${scheme}`);
    }
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'light' }]);
    await page.click('nav a[data-view=graph]');
    await page.waitForSelector('#graph-frame svg');
    await take('admin-graph-light');
    await page.click('nav a[data-view=tap]');
    // As many as the picture has room for.
    await page.type('#tap-sample', '0.05');
    await page.click('#tap-start');
    await shows(page, '#tap-note', /^Tapping: 1\d requests\.$/);
    await take('admin-tap-light');
    await page.click('nav a[data-view=traffic]');
    await page.setViewport(DESKTOP);
  });

  await t.test('a change of the ConfigMap appears without a reload of the page', async () => {
    addRule(mount, '/added', 'web-v2');
    await shows(page, '#facts', /generation 2 /);
    await shows(page, '[data-rule="shop/added#0"] .matches', /path is \/added/);
    await shows(page, '#announcement', /generation 2 is in force, valid/);
    client.must(['curl', '-s', `http://${clusterIP('web')}/added`]);
    await eventually('its request is counted', async () => (await rate(page, 'shop/added#0', 'shop/web-v2:80')) > 0);
  });

  await t.test('the explain form, with the keyboard alone', async (t) => {
    await page.focus('nav a[data-view=explain]');
    await page.keyboard.press('Enter');
    const reach = async (id: string): Promise<void> => {
      for (let presses = 0; presses < 20; presses++) {
        if ((await inPage(page, (dom) => dom.document.activeElement.id)) === id) return;
        await page.keyboard.press('Tab');
      }
      throw new Error(`${id} is not reached with Tab`);
    };
    const type = async (id: string, value: string): Promise<void> => {
      await reach(id);
      await page.keyboard.down('Control');
      await page.keyboard.press('a');
      await page.keyboard.up('Control');
      await page.keyboard.type(value);
    };
    await type('service', 'web.shop:80');
    await type('path', '/start');
    await type('headers', 'version: new');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await shows(page, '#verdict', /^Goes to shop\/web-v2:80$/);
    t.equal(await text(page, '#announcement'), 'Goes to shop/web-v2:80', 'is said to who does not see it');
    t.match(await text(page, '#explanation .request'), /^GET \/start HTTP\/1\.1\nversion: new$/);
    t.match(await text(page, '#explanation .answer .hint'), /10\.96\.0\.12, in HTTP\/1\.1/);
    t.match(await text(page, '#explanation .wins'), /preview.*wins.*version = "new"/);
    await type('path', '/basket');
    await type('service', 'cart.shop:80');
    await page.keyboard.press('Enter');
    await shows(page, '#verdict', /^Answered by sideroute: 301 redirect$/);
    t.match(await text(page, '#explanation'), /Location: http:\/\/[^/]*\/cart/);
    await type('service', 'nonsense');
    await page.keyboard.press('Enter');
    await shows(page, '#explanation', /service: got "nonsense", expected NAME\.NAMESPACE:PORT/);
    await page.focus('nav a[data-view=traffic]');
    await page.keyboard.press('Enter');
    const summary = '[data-frontend="shop/cart:80"] summary';
    await page.focus(summary);
    const isOpen = async () => (await page.$('[data-frontend="shop/cart:80"][open]')) !== null;
    const before = await isOpen();
    await page.keyboard.press('Enter');
    t.equal(await isOpen(), !before, 'a frontend opens and closes with Enter');
    await page.keyboard.press('Enter');
  });

  await t.test('what looks like markup is text', async (t) => {
    mount.write(hostileFiles());
    await shows(page, '#facts', /generation 3 .*has errors/);
    await shows(page, '[data-rule="shop/hostile#0"]', /onerror/);
    const rule = await text(page, '[data-rule="shop/hostile#0"]');
    t.equal(rule.split(HOSTILE).length - 1, 3, 'header, parameter and filter');
    await shows(page, '#problems', /HTTPRoute shop\/refused.*<img src=x/);
    await page.click('nav a[data-view=explain]');
    await fill(page, {
      service: 'web.shop:80',
      path: `/?q=${encodeURIComponent(HOSTILE)}`,
      headers: `x-note: ${HOSTILE}`,
    });
    await page.click('#explain-form button');
    await shows(page, '#explanation', /x-note: <img src=x/);
    await fill(page, { service: HOSTILE, path: '/', headers: '' });
    await page.click('#explain-form button');
    await shows(page, '#explanation', /service: got "<img src=x/);
    await page.click('nav a[data-view=traffic]');
    t.equal(await inPage(page, (dom) => dom.pwned), undefined);
    t.equal(await inPage(page, (dom) => dom.document.querySelectorAll('main img, main script').length), 0);
    mount.write(shopFiles());
    await shows(page, '#facts', /generation 4 .*valid/);
  });

  await t.test(
    'a backend without an address is among the faults, in words, and seen while its frontend is closed',
    async (t) => {
      addRule(mount, '/lost', 'no-such');
      await shows(
        page,
        '#faults',
        /HTTPRoute shop\/added for shop\/web:80.*ResolvedRefs=(?:Unknown|False).*Service shop\/no-such: /,
      );
      await shows(page, '#faults', /cluster DNS|at the address of cluster DNS/);
      await shows(page, '[data-frontend="shop/web:80"] summary .alarm:not([hidden])', /^1 backend without an address$/);
      t.equal(await text(page, '[data-rule="shop/added#0"] .address .dot.resolved'), '');
      mount.write(shopFiles());
      await shows(page, '#facts', /generation 6 .*valid/);
    },
  );

  await t.test('a telephone shows it without scrolling sideways', async () => {
    await page.setViewport(PHONE);
    await noSidewaysScrolling(page);
    await page.click('nav a[data-view=explain]');
    await noSidewaysScrolling(page);
    await page.click('nav a[data-view=traffic]');
    await page.setViewport(DESKTOP);
    await noSidewaysScrolling(page);
  });

  await t.test('asks for nothing while it is not seen, also when it had asked just before', async (t) => {
    let asked: HTTPRequest | null = null;
    const hold = (request: HTTPRequest): void => {
      if (asked === null && request.url().includes('/stats')) asked = request;
      else void request.continue();
    };
    page.on('request', hold);
    await page.setRequestInterception(true);
    const held = await eventually('a question under way', () => asked);
    const other = await browser.newPage();
    await other.bringToFront();
    await shows(page, '#state', /^Paused$/);
    await held.continue();
    await eventually('its answer', () => held.response());
    // The page has read it when this has come after it.
    await page.evaluate(`fetch('/stats').then((response) => response.json())`);
    t.equal(await text(page, '#state'), 'Paused');
    await page.setRequestInterception(false);
    page.off('request', hold);
    await other.close();
    await page.bringToFront();
    await shows(page, '#state', /^Live$/);
    t.end();
  });

  await t.test('the console is empty, the policy was kept, and nothing left the endpoint', async (t) => {
    t.same(complaints.splice(0), [BAD_REQUEST, BAD_REQUEST], 'but for two questions that /explain refused');
    t.same(await inPage(page, (dom) => dom.violations), []);
    t.end();
  });

  await t.test('says that the sidecar is gone, and goes on when it is back', async (t) => {
    await sidecar.stop();
    await shows(page, '#state', /does not answer/);
    sidecar = await Sidecar.startProxy(client, mount.path, '--namespace', 'shop');
    await shows(page, '#state', /^Live$/);
    await shows(page, '#facts', /generation 1 /);
    await near(page, 'shop/web#2', 'shop/web-v1:80', 54);
    const others = complaints.filter(
      (line) => !/ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET/.test(line),
    );
    t.same(others, []);
    complaints.length = 0;
  });

  await t.test('1,000 frontends with 10,000 rules: found by words, shown in parts', async (t) => {
    const large = largeRouteFiles({ routes: 1_000, rulesPerRoute: 10, services: 1_000, format: 'json', files: 4 });
    mount.write(Object.fromEntries(large));
    const startedMs = performance.now();
    await shows(page, '#frontends-count', /^1,000 Service ports, 10,000 rules$/);
    t.comment(`shown ${Math.round(performance.now() - startedMs)} ms after the change`);
    t.equal(await count(page, '[data-frontend]'), 50);
    t.equal(await count(page, '[data-rule]'), 0, 'closed at first');
    await page.click('#more-frontends');
    t.equal(await count(page, '[data-frontend]'), 100);
    await page.type('#filter', 'shop-777 item7775');
    await eventually('one frontend is left', async () => (await count(page, '[data-frontend]')) === 1, PATIENCE_MS);
    // While the second word is not there yet all its rules are shown.
    await eventually('and of its rules one, open', async () => (await count(page, '[data-rule]')) === 1, PATIENCE_MS);
    t.match(await text(page, '[data-rule] .matches'), /item7775.*header x-tenant is t0-7775/);
    await page.click('#filter', { count: 3 });
    await page.type('#filter', 'shop-777:80');
    await eventually('all its rules', async () => (await count(page, '[data-rule]')) === 10, PATIENCE_MS);
    await page.click('#filter', { count: 3 });
    await page.type('#filter', 'nothing like it');
    await shows(page, '#no-frontends', /^Nothing has “nothing like it”\.$/);
    t.same(complaints, []);
  });
  load.kill('SIGTERM');
  t.equal(await sidecar.stop(), 0);
});

interface Question {
  readonly service: string;
  readonly path: string;
  readonly headers: string;
}

async function fill(page: Page, question: Question): Promise<void> {
  for (const [id, value] of Object.entries(question)) await page.locator(`#${id}`).fill(value as string);
}

/** Traffic that goes up and down, so that curves are curves. */
async function pose(load: { readonly stdin: { write(text: string): unknown } | null }, forMs: number): Promise<void> {
  const startedMs = performance.now();
  for (;;) {
    const passedMs = performance.now() - startedMs;
    if (passedMs > forMs) break;
    load.stdin!.write(
      `${JSON.stringify({ factor: 0.75 + 0.35 * Math.sin(passedMs / 9_000) ** 2 + 0.2 * Math.sin(passedMs / 2_300) })}\n`,
    );
    await delay(1_000);
  }
  load.stdin!.write('{"factor": 1}\n');
}
