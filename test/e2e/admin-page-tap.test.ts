/** The view of the admin page that shows requests as they happen, in a real browser beside a real sidecar. */
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { HTTPRequest } from 'puppeteer-core';
import { HOSTILE } from '../support/admin-page-routes.ts';
import { openPage, startBrowser } from '../support/browser.ts';
import { clusterOf } from '../support/cluster-of.ts';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { eventually } from '../support/eventually.ts';
import { route, service } from '../support/grpc/stage.ts';
import { Sidecar, startFixture } from '../support/sidecar.ts';

/** The browser shares the machine with other tests. */
const PATIENCE_MS = 120_000;
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const BAD_REQUEST = 'console: Failed to load resource: the server responded with a status of 400 (Bad Request)';
const LONG = `/blue/${'long'.repeat(200)}`;

const prefix = (value: string) => [{ path: { type: 'PathPrefix', value } }];
const ROUTES = [
  service('web', '10.96.0.10', [{ port: 80 }]),
  service('v1', '10.96.0.11', [{ port: 80 }]),
  service('nobody', '10.96.0.13', [{ port: 80 }]),
  route('HTTPRoute', 'web', 'web', 80, [
    { name: 'blue', matches: prefix('/blue'), backendRefs: [{ name: 'v1', port: 80 }] },
    { name: 'refused', matches: prefix('/refused'), backendRefs: [{ name: 'nobody', port: 80 }] },
  ]),
].join('---\n');

t.test('the live tap of the admin page', { timeout: 600_000 }, async (t) => {
  const { cluster, directory } = clusterOf(t);
  const [client, server] = [cluster.addPod('client'), cluster.addPod('server')];
  cluster.addService('10.96.0.11', 80, [{ address: server.v4, port: 8001 }]);
  cluster.addService('10.96.0.13', 80, []);
  await startFixture(server, 'hello-server', '8001', '1');
  const mount = new ConfigMapMount(join(directory.path, 'routes'), { 'all.yaml': ROUTES });
  const sidecar = await Sidecar.start(client, mount.path, '--namespace', 'shop');
  t.teardown(() => sidecar.stop());
  const browser = await startBrowser(client, directory.path);
  t.teardown(() => browser.close());
  const { page, complaints } = await openPage(browser, 'http://127.0.0.1:15000/#/tap');
  await page.setViewport({ width: 1440, height: 900 });

  const evaluate = async (code: string): Promise<unknown> => await page.evaluate(code);
  const text = async (selector: string): Promise<string> =>
    (await evaluate(`document.querySelector(${JSON.stringify(selector)})?.textContent ?? ''`)) as string;
  const shows = async (selector: string, pattern: RegExp): Promise<void> => {
    let last = '';
    const matches = async (): Promise<boolean> => pattern.test((last = await text(selector)));
    await eventually(`${selector} shows ${pattern}`, matches, PATIENCE_MS).catch((error: unknown) => {
      throw new Error(`${String(error)}; it shows: ${last}`);
    });
  };
  const rows = async (): Promise<string[]> =>
    (await evaluate(`[...document.querySelectorAll('#tap-rows tbody tr')].map((row) => row.textContent)`)) as string[];
  const focused = async (): Promise<unknown> => await evaluate('document.activeElement.id');
  const send = (...args: string[]) => client.must(['curl', '-sS', '--max-time', '60', '-o', '/dev/null', ...args]);
  const begin = async (fields: Readonly<Record<string, string>> = {}): Promise<void> => {
    await evaluate(`document.querySelector('#tap-form').reset()`);
    for (const [name, value] of Object.entries(fields)) await page.type(`#tap-${name}`, value);
    await page.click('#tap-start');
    await shows('#tap-note', /^Tapping: 0 requests\.$/);
  };
  const noneIsOpen = async (): Promise<void> => {
    await eventually(
      'the sidecar knows',
      async () => /^sideroute_taps_open 0$/m.test(await sidecar.ask('/metrics')),
      PATIENCE_MS,
    );
  };

  await t.test(
    'by keyboard alone: Enter in a field begins, requests appear, the newest first, Stop ends',
    async (t) => {
      await shows('#state', /^Live$/);
      // They come with the configuration.
      const offered = async (): Promise<unknown> =>
        await evaluate(`document.querySelector('#tap-routes').options[0]?.value`);
      await eventually('the route is offered', async () => (await offered()) === 'shop/web', PATIENCE_MS);
      await page.focus('#tap-header');
      await page.keyboard.type('x-note');
      await page.keyboard.press('Tab');
      t.equal(await focused(), 'tap-sample');
      await page.keyboard.type('1');
      await page.keyboard.press('Enter');
      await shows('#tap-note', /^Tapping: 0 requests\.$/);
      await shows('#announcement', /^The tap has begun\.$/);
      send('-H', `x-note: ${HOSTILE}`, 'http://10.96.0.10/blue/1?token=secret');
      await shows('#tap-note', /^Tapping: 1 request\.$/);
      send('-H', 'x-note: two', 'http://10.96.0.10/refused', '-H', 'x-other: 1');
      await shows('#tap-note', /^Tapping: 2 requests\.$/);
      const [newest, oldest] = await rows();
      t.match(newest, /^GET 10\.96\.0\.10\/refusedconnect_failure, x-note: two[\d:.]{12}503.* ms.*shop\/webrefused/);
      t.match(oldest, /^GET 10\.96\.0\.10\/blue\/1x-note: <img .*<\/script>[\d:.]{12}200.*shop\/webblueshop\/v1:80$/);
      t.notMatch(oldest, /secret/);
      t.equal(await evaluate(`document.querySelectorAll('#tap-rows :is(img, script)').length`), 0, 'text is text');
      t.equal(await text('#announcement'), 'The tap has begun.', 'rows are not announced');
      await page.keyboard.press('Tab');
      await page.keyboard.press('Tab');
      t.equal(await focused(), 'tap-stop');
      await page.keyboard.press('Enter');
      await shows('#tap-note', /^Ended: you stopped it\. 2 requests\.$/);
      await shows('#announcement', /^The tap has ended: you stopped it\.$/);
      t.equal(await focused(), 'tap-start');
      t.equal((await rows()).length, 2, 'what came stays');
      await noneIsOpen();
    },
  );

  await t.test('only what the filter says', async (t) => {
    await begin({ code: '5xx', route: 'shop/web', rule: 'refused' });
    t.same(await rows(), []);
    send('http://10.96.0.10/blue/1', 'http://10.96.0.10/refused', '-o', '/dev/null');
    await shows('#tap-note', /^Tapping: 1 request\.$/);
    t.match((await rows())[0], /\/refused.*503/);
  });

  await t.test('a filter of no use is told beside the form, in the words of the endpoint', async (t) => {
    await evaluate(`document.querySelector('#tap-form').reset()`);
    await page.type('#tap-code', '5yy');
    await page.keyboard.press('Enter');
    await shows('#tap-error:not([hidden])', /^code: got "5yy", expected a status such as 503, a class such as 5xx/);
    t.equal(await focused(), 'tap-code');
    t.equal(await evaluate(`document.activeElement.getAttribute('aria-invalid')`), 'true');
    t.match(await text('#announcement'), /^code: /);
    t.equal(await evaluate(`document.querySelector('#tap-stop').disabled`), true);
    t.same(complaints.splice(0), [BAD_REQUEST]);
    await noneIsOpen();
    await begin({ path: '/blue' });
    t.equal(await evaluate(`document.querySelectorAll('#tap-error:not([hidden]), [aria-invalid]').length`), 0);
  });

  await t.test('axe finds nothing, and it is not wider than its window', async (t) => {
    send(`http://10.96.0.10${LONG}`);
    await shows('#tap-note', /^Tapping: 1 request\.$/);
    await evaluate(AXE);
    for (const width of [1440, 1000, 360]) {
      await page.setViewport({ width, height: 900 });
      const found = await evaluate(`axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
        violations.map(({ id, nodes }) => id + ': ' + nodes[0].html + ': ' + nodes[0].failureSummary))`);
      t.same(found, [], `at ${width}`);
      t.equal(await evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth'), 0);
    }
    await page.setViewport({ width: 1440, height: 900 });
  });

  await t.test('of many requests the newest 200 are kept', async (t) => {
    send('http://10.96.0.10/blue/[1-230]');
    await shows('#tap-note', /^Tapping: 231 requests, of which the newest 200 are shown\.$/);
    const shown = await rows();
    t.equal(shown.length, 200);
    t.match(shown[0], /\/blue\/230/);
    t.match(shown[199], /\/blue\/31/);
  });

  await t.test('ends when its tab is hidden, and says so', async () => {
    const other = await browser.newPage();
    await other.bringToFront();
    await shows('#tap-note', /^Ended: this tab was hidden\. 231 requests/);
    await noneIsOpen();
    await other.close();
    await page.bringToFront();
    await shows('#state', /^Live$/);
  });

  await t.test('ends when its view is left', async () => {
    await begin();
    await page.click('nav a[data-view=traffic]');
    await noneIsOpen();
    await page.click('nav a[data-view=tap]');
    await shows('#tap-note', /^Ended: this view was left\./);
  });

  await t.test('says how many were left out, and why the stream ended', async () => {
    const answer = (request: HTTPRequest): void => {
      const lines = ['{"dropped":0}', '{"dropped":1200}', '{"dropped":0,"end":"duration","records":0}', ''];
      if (request.url().includes('/tap')) void request.respond({ status: 200, body: lines.join('\n') });
      else void request.continue();
    };
    page.on('request', answer);
    await page.setRequestInterception(true);
    await page.click('#tap-start');
    await shows(
      '#tap-note',
      /^Ended: its ten minutes are over\. 0 requests; 1,200 more were left out: sample a share\.$/,
    );
    await page.setRequestInterception(false);
    page.off('request', answer);
  });

  await t.test('says that the sidecar has ended', async (t) => {
    t.same(complaints, []);
    t.same(await evaluate('violations'), []);
    await begin();
    t.equal(await sidecar.stop(), 0);
    await shows('#tap-note', /^Ended: the sidecar has ended\. 0 requests\.$/);
    await page.click('#tap-start');
    await shows('#tap-note', /^Not begun: the sidecar does not answer\.$/);
  });
});
