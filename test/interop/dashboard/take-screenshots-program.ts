/** `node test/interop/dashboard/take-screenshots-program.ts`, as root: the pictures of docs/images, of the demo as it runs (demo-host.ts). Takes two minutes, so that charts have something to show. */
import { mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { DemoHost } from './demo-host.ts';

const folder = resolve(dirname(fileURLToPath(import.meta.url)), '../../../docs/images');
mkdirSync(folder, { recursive: true });
const host = await DemoHost.start();
const browser = await host.openChromium();
const home = `${host.url}/#token=${host.token}`;

async function picture(
  name: string,
  hash: string,
  colorScheme: 'light' | 'dark',
  prepare: (page: Page) => Promise<void>,
  width = 1080,
): Promise<void> {
  const page = await browser.newPage({ viewport: { width, height: 640 }, colorScheme, reducedMotion: 'reduce' });
  await page.goto(home);
  await page.waitForSelector('h1');
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  await prepare(page);
  await page.waitForTimeout(2_500);
  await page.evaluate('document.activeElement.blur()');
  await page.screenshot({ path: join(folder, `dashboard-${name}.png`) });
  await page.close();
}

const drawn = (selector: string) => async (page: Page) => void (await page.waitForSelector(selector));

/** A breaker that is held makes the requests that are told about. */
async function hold(words: 'Hold open' | 'Release'): Promise<void> {
  const page = await browser.newPage();
  await page.goto(home);
  await page.evaluate('location.hash = "#/faults"');
  const row = page.locator('tr', { hasText: 'shop/orders → shop/payments' });
  await row.locator(`button:text("${words}")`).click();
  await page.waitForSelector('text=Done.');
  await page.close();
}

await new Promise((resolve) => setTimeout(resolve, 60_000));
// Traffic stands still in a picture.
await picture('graph', '#/graph', 'light', drawn('canvas[aria-label*="edges"]:not([aria-label*=" 0 edges"])'));
await picture('proxies', '#/proxies', 'light', drawn('td:has-text("MiB")'), 1500);
await picture('config', '#/config', 'light', async (page) => {
  await page.click('.files a:has-text("payments.yaml")');
  const text = await page.inputValue('textarea');
  await page.fill('textarea', text.replace('weight: 90', 'weight: 50').replace('weight: 10', 'weight: 50'));
  await page.evaluate('document.querySelector("textarea").rows = 9');
  await page.click('button:text("Diff")');
  await page.waitForSelector('.diff .added');
});
await hold('Hold open');
await new Promise((resolve) => setTimeout(resolve, 4_000));
const { requestId } = host.buy();
await picture('request', `#/request/${requestId}`, 'light', drawn('.waterfall'));
await hold('Release');
await new Promise((resolve) => setTimeout(resolve, 15_000));
await picture('service', '#/service/shop%2Forders', 'dark', drawn('.chart canvas'));
await browser.close();
await host.stop();
