/** The dashboard in a real Chromium over the demo as it is: a real control plane, real sidecars, real traffic. What is changed on a page is seen in what the sidecars do. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { openPage, type WatchedPage } from './dashboard/chromium.ts';
import { DemoHost } from './dashboard/demo-host.ts';

let host: DemoHost;
let browser: Browser;
const opened: WatchedPage[] = [];

beforeAll(async () => {
  host = await DemoHost.start();
  browser = await host.openChromium();
});
afterAll(async () => {
  await browser?.close();
  await host?.stop();
});
afterEach(async () => {
  const wrong = opened.flatMap((each) => each.wrong);
  for (const each of opened.splice(0)) await each.close();
  expect(wrong).toEqual([]);
});

async function open(hash: string, token = ''): Promise<Page> {
  const watched = await openPage(browser, host.url);
  opened.push(watched);
  const { page } = watched;
  await page.goto(`${host.url}/${token === '' ? '' : `#token=${token}`}`);
  await page.waitForSelector('h1');
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  return page;
}

const eventually = (check: () => void | Promise<void>, timeout = 30_000): Promise<void> =>
  vi.waitFor(check, { timeout, interval: 250 });

/** Of JSON that the page may read. */
const get = <T>(page: Page, path: string): Promise<T> =>
  page.evaluate(`fetch('/api/v1/${path}').then((answer) => answer.json())`) as Promise<T>;

interface Edges {
  readonly edges: ReadonlyArray<{
    readonly source: string;
    readonly destination: string;
    readonly requestsPerSecond: number;
    readonly flags: Readonly<Record<string, number>>;
  }>;
}

it('shows the services of the shop, what passes between them, and that it is mTLS', async () => {
  const page = await open('#/graph?view=table');
  await eventually(async () => {
    const row = page.locator('tr', { hasText: 'shop/storefront → shop/orders' });
    expect(await row.innerText()).toMatch(/✓ good\s+(?:1\d|2\d)\.\d\/s\s+0 %.*mTLS/s);
  });
  expect(await page.locator('tr', { hasText: 'shop/orders → shop/payments-v1' }).innerText()).toContain('mTLS');
  expect(await page.locator('tr', { hasText: 'unknown → shop/storefront' }).innerText()).toContain('plaintext');
  await page.click('text=Picture');
  await page.waitForSelector('canvas[aria-label*="edges"]:not([aria-label*=" 0 edges"])');
});

it('shows the history of a service as a whole, and of one edge', async () => {
  const page = await open('#/service/shop%2Forders');
  await eventually(async () => {
    expect(await page.getAttribute('.chart >> nth=0', 'aria-label')).toMatch(/now requests\/s (?:1\d|2\d)/);
    expect(await page.getAttribute('.chart >> nth=2', 'aria-label')).toMatch(/now p50 \d/);
  });
  await page.click('a:has-text("shop/storefront → shop/orders")');
  await page.waitForSelector('h1:has-text("shop/storefront → shop/orders")');
  await page.waitForSelector('.chart canvas');
});

it('shows what each proxy took of its configuration, and what it takes of the machine', async () => {
  const page = await open('#/proxies');
  await eventually(async () => {
    const rows = await page.locator('tbody tr').allInnerTexts();
    expect(rows).toHaveLength(6);
    for (const row of rows)
      expect(row).toMatch(/✓ synced.*in \d+ h.*(?:STRICT|PERMISSIVE).*outrigger.*\d\d\.\d MiB\s+.*%/s);
  });
});

it('an ordinary request is found over all of its hops, from where it came in', async () => {
  const { requestId } = host.buy();
  const page = await open('#/requests');
  await page.waitForSelector('tbody tr');
  await page.fill('[name=id]', requestId);
  await page.click('button:has-text("Show")');
  await eventually(async () =>
    expect((await page.locator('.waterfall tr:not(.attempt) th[scope=row]').allInnerTexts()).join(', ')).toMatch(
      /^shop\/storefront in.*, shop\/storefront out.*, shop\/orders in.*, shop\/orders out.*, shop\/payments in/,
    ),
  );
});

it('configuration: a fault names line and field; the sidecars take what is applied, and what is reverted', async () => {
  const page = await open('#/config', host.token);
  await page.click('.files a:has-text("payments.yaml")');
  const area = page.locator('textarea');
  await area.waitFor();
  const before = await area.inputValue();
  await area.fill(before.replace('weight: 90', 'weight: many'));
  await page.click('button:text("Validate")');
  const line = before.split('\n').findIndex((each) => each.includes('weight: 90')) + 1;
  await page.waitForSelector(`.findings :text("payments.yaml:${line}:")`);
  expect(await page.locator('.findings').first().innerText()).toContain('spec.rules[0].backendRefs[0].weight');
  await area.fill(before.replace('weight: 90', 'weight: 0').replace('weight: 10', 'weight: 100'));
  await page.click('button:text("Diff")');
  await page.waitForSelector('.diff .added:has-text("weight: 100")');
  await page.click('button:text("Apply")');
  await page.waitForSelector('text=Applied.');
  await eventually(() => expect(host.buy().body).toContain('"payments":"v2"'));
  await eventually(async () => {
    const { edges } = await get<Edges>(page, 'edges?window=2s');
    const rate = (to: string): number =>
      edges.find(({ source, destination }) => source === 'shop/orders' && destination === to)?.requestsPerSecond ?? 0;
    expect(rate('shop/payments-v2')).toBeGreaterThan(10);
    expect(rate('shop/payments-v1')).toBe(0);
  });
  await page.click('button:text("Revert")');
  await page.waitForSelector('text=Reverted');
  expect(host.config('payments.yaml')).toBe(before);
  await eventually(() => expect(host.buy().body).toContain('"payments":"v1"'));
});

it('a breaker of a route that is held open refuses calls, which is explained; released it lets them pass', async () => {
  const page = await open('#/faults', host.token);
  const row = page.locator('tr', { hasText: 'shop/orders → shop/payments' });
  await row.locator('button:text("Hold open")').click();
  await row.locator('text=open, held').waitFor();
  let failed = host.buy();
  await eventually(() => {
    failed = host.buy();
    expect(failed.status).toBe(502);
  });
  await eventually(async () => {
    const { edges } = await get<Edges>(page, 'edges?window=5s');
    expect(edges.some(({ source, flags }) => source === 'shop/orders' && (flags['CB'] ?? 0) > 0)).toBe(true);
  });
  expect(host.outrigger('breaker', 'list', '--all')).toMatch(/route .*open \(held\)/);

  await page.evaluate('location.hash = "#/requests?flag=CB"');
  await page.locator('tbody a').first().click();
  await page.waitForSelector('.summary');
  const words = await page.innerText('main');
  expect(words).toContain('circuit breaker');
  expect(words).toContain('held open');
  expect(await page.locator('.waterfall tbody tr').count()).toBeGreaterThanOrEqual(4);

  await page.evaluate('location.hash = "#/faults"');
  await row.locator('button:text("Release")').click();
  await eventually(() => expect(host.buy().status).toBe(200));
});

it('a FaultPolicy is switched on and off again', async () => {
  const page = await open('#/faults', host.token);
  const card = page.locator('section', { hasText: 'FaultPolicy shop/no-orders' });
  await card.locator('button:has-text("Switch on")').click();
  await card.locator('.diff .removed:has-text("until:")').waitFor();
  await card.locator('button:text("Apply")').click();
  await eventually(() => expect(host.buy().status).toBe(503));
  await card.locator('button:has-text("Switch off")').click();
  await card.locator('.diff .added:has-text("until:")').waitFor();
  await card.locator('button:text("Apply")').click();
  await eventually(() => expect(host.buy().status).toBe(200));
});

it('a tap shows requests as they end, by a filter, until it is held', async () => {
  const page = await open('#/tap?destination=shop%2Forders', host.token);
  await eventually(async () => expect(await page.locator('tbody tr').count()).toBeGreaterThan(20));
  for (const row of await page.locator('tbody tr').allInnerTexts()) expect(row).toContain('→ shop/orders');
  await page.click('button:text("Hold")');
  const held = await page.locator('[role=status]').first().innerText();
  expect(held).toMatch(/^Held: \d+ seen/);
  await page.waitForTimeout(1_000);
  expect(await page.locator('[role=status]').first().innerText()).toBe(held);
});

it('without the token nothing changes and nothing is tapped', async () => {
  const page = await open('#/faults');
  await page.waitForSelector('button:text("Hold open")[disabled]');
  const statuses = await page.evaluate(`Promise.all([
    ['POST', 'breakers'], ['POST', 'config/apply'], ['POST', 'config/read'], ['GET', 'tap'],
  ].map(([method, path]) => fetch('/api/v1/' + path, {
    method,
    headers: { 'content-type': 'application/json', authorization: 'Bearer wrong' },
    ...(method === 'POST' ? { body: '{}' } : {}),
  }).then((answer) => answer.status)))`);
  expect(statuses).toEqual([401, 401, 401, 401]);
  await page.evaluate('location.hash = "#/tap"');
  await page.waitForSelector('main form.token');
  expect(host.buy().status).toBe(200);
});
