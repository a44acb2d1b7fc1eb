/**
 * The admin page for whoever uses it with a keyboard, a screen reader, a small screen or other colours, in a real browser beside a real sidecar:
 * every view through axe, focus, widths, motion; and the diagram of what the pod calls, with none, a few and many Services.
 */
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import t from 'tap';
import type { Page } from 'puppeteer-core';
import { shopFiles } from '../support/admin-page-routes.ts';
import { count, PATIENCE_MS, shows, startAdminPage } from '../support/admin-page-stage.ts';
import { eventually } from '../support/eventually.ts';
import { largeRouteFiles } from '../support/large-routes.ts';

const VIEWS = ['traffic', 'graph', 'tap', 'explain'] as const;
const WIDTHS = [1440, 1280, 360];
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Shares beside the lines of the diagram through whose letters a line runs. */
const CROSSED_SHARES = `[...document.querySelectorAll('#graph-frame .share')].filter((share) => {
  const { x, y, width, height } = share.getBBox();
  return [...document.querySelectorAll('#graph-frame .link-line')].some((line) => {
    for (let at = 0; at < line.getTotalLength(); at++) {
      const point = line.getPointAtLength(at);
      if (point.x > x && point.x < x + width && point.y > y && point.y < y + height - 3) return true;
    }
    return false;
  });
}).map(({ textContent }) => textContent)`;

interface Violation {
  readonly id: string;
  readonly help: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

async function open(page: Page, view: string): Promise<void> {
  await page.click(`nav a[data-view=${view}]`);
  await eventually(`the view ${view}`, async () => (await count(page, `#${view}:not([hidden])`)) === 1, PATIENCE_MS);
}

/** What axe finds, of the rules of WCAG 2.2 at level AA and of good practice. */
async function violations(page: Page): Promise<string[]> {
  const found = (await page.evaluate(
    `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations)`,
  )) as Violation[];
  return found.flatMap(({ id, help, nodes }) =>
    nodes.slice(0, 3).map(({ html, failureSummary }) => `${id}: ${help}: ${html}: ${failureSummary}`),
  );
}

/** What Tab reaches from the top of the page on: in what order of the document, and whether it can be seen that it has the focus. */
async function tabStops(page: Page): Promise<{ name: string; order: number; isSeen: boolean }[]> {
  await page.evaluate(`document.querySelector('.skip').focus({ focusVisible: true })`);
  const stops: { name: string; order: number; isSeen: boolean }[] = [];
  for (;;) {
    const stop = (await page.evaluate(`(() => {
      const element = document.activeElement;
      if (element === null || element === document.body) return null;
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      const box = element.getBoundingClientRect();
      return {
        name: element.id || element.textContent.trim().slice(0, 40) || element.tagName,
        order: [...document.querySelectorAll('*')].indexOf(element),
        isSeen: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2 && box.width > 0 && box.height > 0
          && box.right > 0 && box.bottom > 0 && box.top < innerHeight && box.left < innerWidth,
      };
    })()`)) as { name: string; order: number; isSeen: boolean } | null;
    if (stop === null || stops.some(({ order }) => order === stop.order)) return stops;
    stops.push(stop);
    await page.keyboard.press('Tab');
  }
}

t.test('the admin page for everybody', { timeout: 600_000 }, async (t) => {
  const { shop, mount, sidecar, load, page, complaints } = await startAdminPage(t);
  await shop.stop('payments-v1');
  await page.setViewport({ width: 1440, height: 900 });
  await shows(page, '#state', /^Live$/);

  await t.test('the diagram shows what is called, by which rule, with what weight, and what passes', async (t) => {
    await open(page, 'graph');
    await shows(page, '#graph-note', /^4 Service ports, 7 rules, 6 backends\. Nothing is left out\.$/);
    const drawn = async (pattern: RegExp): Promise<void> => await shows(page, '#graph-frame', pattern);
    await drawn(/shop\/web:80/);
    await drawn(/path starts with \/search.*web-v2:80/);
    await drawn(/90%.*10%|10%.*90%/);
    await drawn(/shop\/payments-v1:80[\d.]+\/s · 100% errors/);
    await drawn(/answered by sideroute/);
    await drawn(/shop\/queue:81(0\/s · )?no address/);
    t.equal(
      await page.evaluate(
        `(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(document.querySelector('#graph-frame'))`,
      ),
      0,
    );
    t.equal(await count(page, '#graph-frame .link-line.mirror'), 1);
    t.same(await page.evaluate(CROSSED_SHARES), [], 'no line runs through a text');
    t.ok((await count(page, '#graph-frame .link-line.failing')) >= 2, 'to the rule, and on to the backend');
  });

  await t.test('a table says the same, a row for each line to a backend', async (t) => {
    const lines = (await count(page, '#graph-frame .link-line')) - (await count(page, '#graph-frame .box')) + 4 + 6;
    t.equal(await count(page, '#graph-table tbody tr'), lines);
    await page.focus('#graph-details summary');
    await page.keyboard.press('Enter');
    await shows(page, '#graph-table', /shop\/web:80\d\. .*GETshop\/web-v1:8075%[\d.<]+0%/);
    await shows(page, '#graph-table', /shop\/payments-v1:80100%[\d.]+100%/);
  });

  await page.evaluate(AXE);
  await t.test('axe finds what is wrong', async (t) => {
    const button = `Object.assign(document.createElement('button'), { id: 'nameless', style: 'color: #999; background: #aaa' })`;
    await page.evaluate(`document.querySelector('main').append(${button})`);
    t.match((await violations(page)).join('\n'), /^button-name: .*nameless/m);
    await page.evaluate(`document.querySelector('#nameless').textContent = 'Hardly to be read'`);
    t.match((await violations(page)).join('\n'), /^color-contrast: .*nameless/m);
    await page.evaluate(`document.querySelector('#nameless').remove()`);
  });

  for (const [scheme, widths] of [
    ['light', [1440, 360]],
    ['dark', [1280]],
  ] as const) {
    await t.test(`axe finds nothing in any view, in the ${scheme}`, async (t) => {
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
      for (const view of VIEWS) {
        await open(page, view);
        for (const width of widths) {
          await page.setViewport({ width, height: 900 });
          t.same(await violations(page), [], `${view} at ${width}`);
        }
      }
    });
  }

  await t.test('no view is wider than its window', async (t) => {
    for (const view of VIEWS) {
      await open(page, view);
      for (const width of WIDTHS) {
        await page.setViewport({ width, height: 900 });
        const wide = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
        t.equal(wide, 0, `${view} at ${width}`);
      }
    }
    await page.setViewport({ width: 1440, height: 900 });
  });

  await t.test('Tab goes through each view in the order of what is read, and shows where it is', async (t) => {
    for (const view of VIEWS) {
      await open(page, view);
      const stops = await tabStops(page);
      t.ok(stops.length > 7, `${view}: ${stops.length} stops`);
      t.same(
        stops.filter(({ isSeen }) => !isSeen),
        [],
        `${view}: all are seen`,
      );
      const orders = stops.map(({ order }) => order);
      t.same(
        orders,
        [...orders].sort((a, b) => a - b),
        `${view}: in order`,
      );
    }
  });

  await t.test('nothing moves for who does not want that', async (t) => {
    await page.emulateMediaFeatures([{ name: 'prefers-reduced-motion', value: 'reduce' }]);
    for (const view of VIEWS) {
      await open(page, view);
      t.equal(await page.evaluate('document.getAnimations().length'), 0, view);
      const moving = await page.evaluate(`[...document.querySelectorAll('*')].filter((element) => {
        const { transitionDuration, animationName, scrollBehavior } = getComputedStyle(element);
        return parseFloat(transitionDuration) > 0 || animationName !== 'none' || scrollBehavior === 'smooth';
      }).length`);
      t.equal(moving, 0, view);
    }
    await page.emulateMediaFeatures([]);
  });

  await t.test(
    'of many Services those with most requests are drawn, and what is left out is said and found',
    async (t) => {
      await open(page, 'graph');
      const many = largeRouteFiles({ routes: 300, rulesPerRoute: 9, services: 300, format: 'json', files: 4 });
      mount.write(shopFiles(Object.fromEntries(many)));
      await shows(page, '#graph-note', /Left out: 29\d Service ports with fewer requests.*The filter finds them\.$/);
      t.ok((await count(page, '#graph-frame .box')) < 120);
      await page.click('#graph-again');
      await shows(page, '#graph-frame', /shop\/web:80/);
      await shows(page, '#announcement', /Left out/);
      await page.type('#graph-filter', 'shop-277:80');
      await shows(page, '#graph-note', /^1 Service port, 8 rules, .*Left out: 1 rule of those shown\./);
      await page.click('#graph-filter', { count: 3 });
      await page.type('#graph-filter', 'nothing like it');
      await shows(page, '#graph-note', /^Nothing has “nothing like it”\.$/);
      await page.click('#graph-filter', { count: 3 });
      await page.keyboard.press('Backspace');
    },
  );

  await t.test('without a route it says what happens to traffic', async (t) => {
    mount.write({ 'services.yaml': 'apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: shop}\n' });
    await shows(page, '#graph-note', /^No route is attached to any Service: all traffic is tunnelled unread\.$/);
    t.equal(await count(page, '#graph-frame:not([hidden])'), 0);
    t.same(await violations(page), []);
  });

  await t.test('the console is empty, the policy was kept, and nothing left the endpoint', async (t) => {
    t.same(complaints, []);
    t.same(await page.evaluate('violations'), []);
  });
  load.kill('SIGTERM');
  t.equal(await sidecar.stop(), 0);
});
