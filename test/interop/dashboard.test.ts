/** The dashboard in a real Chromium, as a person sees it, over the control plane's own admin port and recorded data (dashboard/recorded-mesh.ts). */
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { openChromium, openPage, type WatchedPage } from './dashboard/chromium.ts';
import { DashboardServer, goodToken } from './dashboard/dashboard-server.ts';
import { attack, explainedId, hostileMesh, shop } from './dashboard/recorded-mesh.ts';

let browser: Browser;
beforeAll(async () => {
  browser = await openChromium();
});
afterAll(() => browser.close());

let server: DashboardServer;
let opened: WatchedPage[];
beforeEach(async () => {
  opened = [];
  server = await DashboardServer.start(shop(Date.now()));
});
afterEach(async () => {
  for (const each of opened) await each.close();
  await server.stop();
});

async function open(hash = '', options: BrowserContextOptions = {}): Promise<Page> {
  const watched = await openPage(browser, server.url, options);
  opened.push(watched);
  await watched.page.goto(`${server.url}/${hash}`);
  await watched.page.waitForSelector('h1');
  return watched.page;
}

const wrong = (): string[] => opened.flatMap((each) => each.wrong);

/** With the token in the tab. */
async function openUnlocked(hash: string): Promise<Page> {
  const page = await open(`#token=${goodToken}`);
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  return page;
}

const text = (page: Page): Promise<string> => page.innerText('main');

describe('the live graph', () => {
  it('is a picture with words for who does not see it, and the same in tables', async () => {
    const page = await open();
    await page.waitForSelector('canvas[aria-label*="5 services and 4 edges"]');
    expect(await page.getAttribute('canvas', 'aria-label')).toContain('1 failing');
    await page.click('text=Table');
    await page.waitForSelector('caption:text("Edges")');
    const row = page.locator('tr', { hasText: 'shop/orders → shop/payments' });
    expect(await row.innerText()).toMatch(/✕ failing\s+19\.8\/s\s+60\.6 %\s+0\.9 ms\s+24 ms\s+mTLS\s+open/);
    expect(await page.locator('tr', { hasText: 'outside → shop/storefront' }).innerText()).toContain('plaintext');
    expect(page.url()).toContain('view=table');
    expect(wrong()).toEqual([]);
  });

  it('opens a service by a double click, and by keys alone', async () => {
    const page = await open();
    const canvas = page.locator('canvas');
    await page.waitForSelector('canvas[aria-label*="4 edges"]');
    await canvas.focus();
    await page.keyboard.press('ArrowRight');
    await page.waitForSelector('.selected:has-text("outside")');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    await page.waitForSelector('.selected:has-text("shop/orders, degraded")');
    await page.keyboard.press('Enter');
    await page.waitForSelector('h1:text("shop/orders")');
    await page.waitForFunction('document.activeElement.tagName === "H1"');
    expect(await text(page)).toContain('2 of 2 instances up');
    await page.goBack();
    await page.waitForSelector('canvas');
    const box = (await canvas.boundingBox())!;
    // In the middle of what is fitted stand orders, of five services in four columns: beside it, an edge or nothing.
    await page.keyboard.press('Tab');
    for (let x = 40; x < box.width; x += 40) {
      await page.mouse.dblclick(box.x + x, box.y + box.height / 2);
      if (await page.evaluate('!location.hash.startsWith("#/graph") && location.hash !== ""')) break;
    }
    await page.waitForSelector('h1:not(:text("Services"))');
    expect(wrong()).toEqual([]);
  });

  it('follows what changes', async () => {
    const page = await open('#/graph?view=table');
    await page.waitForSelector('tr:has-text("shop/payments")');
    const { edges } = server.recorded['edges'] as { edges: Record<string, unknown>[] };
    edges[2]!['failuresPerSecond'] = 0;
    edges[2]!['breaker'] = 'closed';
    await page.waitForSelector('tr:has-text("shop/orders → shop/payments"):has-text("good")');
  });

  it('shows RED charts, policies, routes and instances of a service, and of an edge its flags and breaker', async () => {
    const page = await open('#/service/shop%2Fpayments');
    await page.waitForSelector('.chart canvas');
    expect(await page.locator('.chart canvas').count()).toBe(3);
    expect(await page.getAttribute('.chart >> nth=2', 'aria-label')).toMatch(
      /^Duration over the last 15 minutes; now p50 \d/,
    );
    const words = await text(page);
    for (const part of [
      'TrafficPolicy shop/payments',
      'charge-and-reserve',
      'payments-v1.shop:80 90',
      '✕ not to be called',
    ])
      expect(words).toContain(part);
    expect(words).not.toContain('PeerAuthentication shop/door');
    await page.click('a:has-text("shop/orders → shop/payments")');
    await page.waitForSelector('h1:has-text("shop/orders → shop/payments")');
    await page.waitForSelector('dd:has-text("CB: 120")');
    expect(await text(page)).toContain('mTLS (100 %)');
    expect(wrong()).toEqual([]);
  });
});

describe('requests', () => {
  it('are filtered, and one is explained: in words and over its hops', async () => {
    const page = await open('#/requests');
    await page.waitForSelector('tbody tr');
    await page.fill('[name=destination]', 'shop/payments');
    await page.check('[name=errors]');
    await page.click('button:has-text("Show")');
    await vi.waitFor(() =>
      expect(
        opened[0]!.asked.some((url) => url.endsWith('requests?destination=shop%2Fpayments&errors=true&limit=200')),
      ).toBe(true),
    );
    await page.click('a:has-text("POST /orders/42")');
    await page.waitForSelector('.summary');
    const words = await text(page);
    for (const part of [
      'answered 503 in 7.9 ms',
      'The circuit breaker for payments.shop was open',
      'outrigger tap --to payments --errors',
    ])
      expect(words).toContain(part);
    expect(await page.locator('.waterfall tbody tr').count()).toBe(4);
    expect((await page.locator('.waterfall td.number').allInnerTexts()).join(', ')).toBe(
      '0 ms, 7.9 ms, 0.5 ms, 7.3 ms, 3.0 ms, 5.2 ms, 3.4 ms, 0.42 ms',
    );
    const [outer, inner] = await Promise.all(
      [0, 2].map(async (at) => (await page.locator('.waterfall .bar').nth(at).boundingBox())!),
    );
    expect(inner!.x).toBeGreaterThan(outer!.x);
    expect(inner!.width).toBeLessThan(outer!.width);
    await page.click('summary:has-text("shop/orders out")');
    expect(await text(page)).toContain('passed over 10.0.3.7:8080: ejected for 14 s');
    expect(wrong()).toEqual([]);
  });

  it('that nobody knows are said to be so', async () => {
    const page = await open();
    await page.keyboard.press('/');
    await page.waitForSelector('[data-search]:focus');
    await page.keyboard.type('unknown-id');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[role=alert]:has-text("there is no")');
  });
});

it('proxies: what each has taken, why one refused, and how long certificates last', async () => {
  const page = await open('#/proxies');
  await page.waitForSelector('tr:has-text("payments-v2-1")');
  const words = await text(page);
  expect(words).toContain('5 connected, 1 with something refused');
  expect(words).toContain('http_filters[2]: no such filter');
  expect(await page.locator('tr', { hasText: 'payments-v2-1' }).innerText()).toMatch(
    /✕ refused.*in 23 h\s+STRICT\s+outrigger 0\.1\.0\s+59\.0 MiB\s+3\.1 %\s+20\.0 KiB/s,
  );
  expect(wrong()).toEqual([]);
});

it.each([1_300, 1_024])(
  'all of the proxies is in sight at %i pixels, with the names that Kubernetes gives',
  async (width) => {
    const [first] = server.recorded['proxies'] as Record<string, unknown>[];
    Object.assign(first!, {
      nodeId: 'storefront-frontend-7d9c6b5f48-x2k8p',
      cluster: 'production-eu/storefront-frontend',
      identity: 'spiffe://cluster.local/ns/production-eu/sa/storefront-frontend',
    });
    const page = await open('#/proxies', { viewport: { width, height: 640 } });
    await page.waitForSelector('tr:has-text("payments-v2-1")');
    const [inside, whole] = (await page.evaluate(
      '(({ clientWidth, scrollWidth }) => [clientWidth, scrollWidth])(document.querySelector(".scroll"))',
    )) as [number, number];
    expect(whole).toBe(inside);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
  },
);

describe('configuration', () => {
  const open5050 = async (page: Page): Promise<string> => {
    await page.click('a:has-text("payments.yaml")');
    const area = page.locator('textarea');
    await area.waitFor();
    return area.inputValue();
  };

  it('is changed: validate tells file, line and field; diff; apply; revert', async () => {
    const page = await openUnlocked('#/config');
    const before = await open5050(page);
    expect(before).toBe(readFileSync(server.file('payments.yaml'), 'utf8'));
    await page.fill('textarea', before.replace('weight: 90', 'weight: many'));
    await page.click('button:text("Diff")');
    const line = before.split('\n').findIndex((each) => each.includes('weight: 90')) + 1;
    const finding = page.locator('.findings button');
    await finding.waitFor();
    expect(await finding.innerText()).toContain(`payments.yaml:${line}:`);
    expect(await finding.innerText()).toContain('spec.rules[0].backendRefs[0].weight');
    expect(await page.isDisabled('button:text("Apply")')).toBe(true);
    await finding.click();
    expect(
      await page.evaluate(
        'document.activeElement.value.slice(0, document.activeElement.selectionStart).split("\\n").length',
      ),
    ).toBe(line);
    const after = before.replace('weight: 90', 'weight: 50').replace('weight: 10', 'weight: 50');
    await page.fill('textarea', after);
    await page.click('button:text("Diff")');
    await page.waitForSelector('.diff .added');
    expect((await page.locator('.diff .removed, .diff .added').allInnerTexts()).join('\n')).toMatch(
      /-.*weight: 90.*\n.*weight: 10.*\n.*\+.*weight: 50/s,
    );
    expect(readFileSync(server.file('payments.yaml'), 'utf8')).toBe(before);
    await page.click('button:text("Apply")');
    await page.waitForSelector('text=Applied.');
    expect(readFileSync(server.file('payments.yaml'), 'utf8')).toBe(after);
    await page.click('button:text("Revert")');
    await page.waitForSelector('text=Reverted');
    expect(readFileSync(server.file('payments.yaml'), 'utf8')).toBe(before);
    expect(await page.inputValue('textarea')).toBe(before);
    expect(wrong()).toEqual([]);
  });

  it('of somebody else meanwhile is not written over', async () => {
    const page = await openUnlocked('#/config');
    const before = await open5050(page);
    await page.fill('textarea', `# mine\n${before}`);
    await page.click('button:text("Diff")');
    await page.waitForSelector('.diff .added');
    writeFileSync(server.file('payments.yaml'), `# theirs\n${before}`);
    await page.click('button:text("Apply")');
    await page.waitForSelector('[role=status]:has-text("changed by somebody else")');
    expect(readFileSync(server.file('payments.yaml'), 'utf8')).toBe(`# theirs\n${before}`);
  });
});

describe('the token', () => {
  it('is needed to see or change configuration, and tried before it is kept', async () => {
    const page = await open('#/config');
    await page.click('a:has-text("shop.yaml")');
    await page.waitForSelector('main form.token');
    expect(await page.locator('textarea').count()).toBe(0);
    await page.fill('main [name=token]', 'wrong');
    await page.click('main button:text("Unlock")');
    await page.waitForSelector('text=That is not the token');
    await page.fill('main [name=token]', goodToken);
    await page.click('main button:text("Unlock")');
    await page.waitForSelector('textarea');
    await page.click('button:text("Lock")');
    await page.waitForSelector('main form.token');
    expect(wrong()).toEqual([]);
  });

  it('by the address is not in it any more, never goes to the server in one, and not into another tab', async () => {
    const page = await openUnlocked('#/faults');
    await page.waitForSelector('button:text("Hold open"):not([disabled])');
    expect(page.url()).not.toContain(goodToken);
    expect(opened[0]!.asked.join('\n')).not.toContain(goodToken);
    expect(await page.evaluate('localStorage.length')).toBe(0);
    const other = await page.context().newPage();
    await other.goto(`${server.url}/#/faults`);
    await other.waitForSelector('button:text("Hold open")[disabled]');
  });
});

it('breakers are held and released, and a FaultPolicy is switched off and on by its file', async () => {
  const page = await openUnlocked('#/faults');
  await page.click('button:text("Hold open")');
  await page.waitForSelector('text=Done.');
  await page.click('button:text("Release")');
  await vi.waitFor(() => expect(server.breakerCalls).toHaveLength(2));
  expect(server.breakerCalls).toEqual(
    ['open', 'automatic'].map((state) => ({ proxy: 'orders-1', breaker: 'outbound|80||payments.shop', state })),
  );
  const before = readFileSync(server.file('chaos.yaml'), 'utf8');
  await page.click('button:has-text("Switch off")');
  await page.waitForSelector('.diff .added:has-text("until:")');
  expect(readFileSync(server.file('chaos.yaml'), 'utf8')).toBe(before);
  await page.click('section button:text("Apply")');
  await page.waitForSelector('text=Applied');
  expect(readFileSync(server.file('chaos.yaml'), 'utf8')).toMatch(/spec:\n {2}until: "20/);
  const policies = server.recorded['policies'] as Record<string, unknown>[];
  policies.at(-1)!['action'] = 'over since 2026-11-29T12:00:00.000Z';
  await page.click('button:has-text("Switch on")');
  await page.click('section button:text("Apply")');
  await vi.waitFor(() => expect(readFileSync(server.file('chaos.yaml'), 'utf8')).toBe(before));
  expect(wrong()).toEqual([]);
});

describe('keys and eyes', () => {
  it('everything is reached by keys, first of all a way past the bar', async () => {
    const page = await open();
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.className')).toBe('skip');
    await page.keyboard.press('Enter');
    await page.waitForFunction('document.activeElement.tagName === "H1"');
    const reached = new Set<string>();
    for (let at = 0; at < 12; at++) {
      await page.keyboard.press('Tab');
      reached.add(
        String(
          await page.evaluate(
            'document.activeElement.tagName + " " + (document.activeElement.getAttribute("aria-label") ?? document.activeElement.innerText ?? "").slice(0, 12)',
          ),
        ),
      );
    }
    for (const part of ['SELECT ', 'BUTTON Picture', 'BUTTON Table', 'CANVAS Graph of 5 s', 'BUTTON Fit'])
      expect(
        [...reached].some((each) => each.startsWith(part)),
        `${part} in ${[...reached].join(' | ')}`,
      ).toBe(true);
  });

  it('shortcuts go to pages, and help tells them; none of them while somebody types', async () => {
    const page = await open();
    await page.keyboard.press('?');
    await page.waitForSelector('dialog[open]:has-text("g r")');
    await page.keyboard.press('Escape');
    await page.keyboard.press('g');
    await page.keyboard.press('p');
    await page.waitForSelector('h1:text("Proxies")');
    expect(await page.evaluate('document.title')).toContain('Proxies');
    await page.keyboard.press('g');
    await page.keyboard.press('r');
    await page.waitForSelector('[data-search]');
    await page.keyboard.press('/');
    await page.keyboard.type('gpd?t/');
    expect(await page.inputValue('[data-search]')).toBe('gpd?t/');
    await page.keyboard.press('Escape');
    await page.evaluate('document.activeElement.blur()');
    await page.keyboard.press('g');
    await page.keyboard.press('s');
    await page.waitForSelector('canvas');
    await page.keyboard.press('t');
    await page.waitForSelector('caption');
  });

  it('dark or light is the machine’s choice, until somebody chooses; both can be read', async () => {
    const page = await open('#/proxies', { colorScheme: 'dark' });
    const theme = (): Promise<unknown> => page.evaluate('document.documentElement.dataset.theme');
    expect(await theme()).toBe('dark');
    const contrasts = async (): Promise<number> => Number(await page.evaluate(leastContrast));
    await page.waitForSelector('td');
    expect(await contrasts()).toBeGreaterThanOrEqual(4.5);
    await page.emulateMedia({ colorScheme: 'light' });
    await vi.waitFor(async () => expect(await theme()).toBe('light'));
    expect(await contrasts()).toBeGreaterThanOrEqual(4.5);
    await page.keyboard.press('d');
    expect(await theme()).toBe('dark');
    await page.reload();
    await page.waitForSelector('h1');
    expect(await theme()).toBe('dark');
  });

  it('at 400 % (320 pixels wide) nothing is cut off', async () => {
    for (const hash of [
      '#/graph',
      '#/graph?view=table',
      '#/service/shop%2Fpayments',
      '#/requests',
      `#/request/${explainedId}`,
      '#/proxies',
      '#/config',
      '#/faults',
    ]) {
      const page = await open(hash, { viewport: { width: 320, height: 256 } });
      await page.waitForTimeout(300);
      expect([hash, await page.evaluate('document.documentElement.scrollWidth')]).toEqual([hash, 320]);
      await opened.pop()!.close();
    }
  });

  it('nothing moves by itself where the machine says so, and the graph is not drawn for nothing', async () => {
    const drawn = async (motion: 'reduce' | 'no-preference'): Promise<number> => {
      const page = await open('', { reducedMotion: motion });
      await page.waitForSelector('canvas[aria-label*="4 edges"]');
      await page.waitForTimeout(500);
      await page.evaluate(
        'window.drawn = 0; const clear = CanvasRenderingContext2D.prototype.drawImage; CanvasRenderingContext2D.prototype.drawImage = function (...all) { window.drawn++; return clear.apply(this, all); }',
      );
      await page.waitForTimeout(1_500);
      return Number(await page.evaluate('window.drawn'));
    };
    expect(await drawn('reduce')).toBeLessThanOrEqual(3);
    expect(await drawn('no-preference')).toBeGreaterThan(15);
  });

  it('every control has a name, every table its headings, and there is one heading of the page', async () => {
    for (const hash of [
      '#/graph?view=table',
      '#/service/shop%2Fpayments',
      '#/requests',
      `#/request/${explainedId}`,
      '#/proxies',
      '#/faults',
    ]) {
      const page = await open(hash);
      await page.waitForSelector('td, canvas');
      expect([hash, await page.evaluate(nameless)]).toEqual([hash, []]);
      expect(await page.locator('h1').count()).toBe(1);
      await opened.pop()!.close();
    }
  });
});

describe('attacks', () => {
  it('markup in names, paths, header values, reasons and policies is text everywhere', async () => {
    server.recorded = hostileMesh(Date.now());
    const page = await openUnlocked('#/graph');
    const seen: string[] = [];
    const encoded = encodeURIComponent(`shop/${attack}`);
    for (const hash of [
      '#/graph',
      '#/graph?view=table',
      `#/service/${encoded}`,
      `#/edge/${encodeURIComponent(attack)}/${encoded}`,
      '#/requests',
      `#/request/${explainedId}`,
      '#/proxies',
      '#/config',
      '#/faults',
      `#/request/${encodeURIComponent(attack)}`,
      `#/requests?source=${encodeURIComponent(attack)}`,
      `#/config?file=${encodeURIComponent(attack)}`,
    ]) {
      await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
      await page.waitForTimeout(250);
      for (const each of await page.locator('summary').all()) await each.click();
      seen.push(await text(page));
    }
    expect(await page.evaluate('window.hurt')).toBe(undefined);
    expect(await page.locator('main img, main script, a[href^="javascript"]').count()).toBe(0);
    expect(seen.filter((words) => words.includes('<script>window.hurt=1</script>')).length).toBeGreaterThanOrEqual(8);
    expect(wrong()).toEqual([]);
  });

  it('a page of another port of this machine can neither frame it, nor read it, nor change anything, with the token even', async () => {
    const evil = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<h1>evil</h1>'));
    await new Promise<void>((resolve) => evil.listen(0, '127.0.0.1', resolve));
    try {
      const context = await browser.newContext();
      const page = await context.newPage();
      await page.goto(`http://127.0.0.1:${(evil.address() as AddressInfo).port}/`);
      const results = await page.evaluate(`(async () => {
        const url = ${JSON.stringify(server.url)};
        const attempt = (path, init) => fetch(url + path, init).then((r) => r.type + ' ' + r.status, () => 'refused');
        const frame = document.createElement('iframe');
        frame.src = url + '/';
        document.body.append(frame);
        await new Promise((done) => { frame.onload = done; setTimeout(done, 2000); });
        let inside = 'blocked';
        try { inside = frame.contentDocument === null ? 'blocked' : 'open'; } catch { inside = 'blocked'; }
        return [
          inside,
          await attempt('/api/v1/services', {}),
          await attempt('/api/v1/breakers', { method: 'POST', headers: { 'content-type': 'application/json', authorization: 'Bearer ${goodToken}' }, body: '{}' }),
          await attempt('/api/v1/breakers', { method: 'POST', mode: 'no-cors', body: '{}' }),
        ];
      })()`);
      expect(results).toEqual(['blocked', 'refused', 'refused', expect.stringMatching(/^(?:opaque 0|refused)$/)]);
      expect(server.breakerCalls).toEqual([]);
      await context.close();
    } finally {
      evil.close();
    }
  });

  it('every answer carries the policy: nothing inline, nothing from elsewhere, no frames', async () => {
    for (const [path, accept] of [
      ['/', 'text/html'],
      ['/api/v1/services', '*/*'],
      ['/nothing', '*/*'],
    ]) {
      const response = await fetch(server.url + path!, { headers: { accept: accept! } });
      expect(response.headers.get('content-security-policy')).toMatch(/^default-src 'self';.*frame-ancestors 'none'/);
      expect(response.headers.get('content-security-policy')).not.toContain('unsafe');
      expect(response.headers.get('x-frame-options')).toBe('DENY');
      expect(response.headers.get('access-control-allow-origin')).toBe(null);
    }
  });
});

describe('what is missing', () => {
  it('of the control plane is told, and the rest is there', async () => {
    for (const name of ['edges', 'edges/history', 'requests', 'policies']) delete server.recorded[name];
    const page = await open();
    await page.waitForSelector('.notice:has-text("no live figures")');
    await page.waitForSelector('canvas[aria-label*="4 services and 0 edges"]');
    await page.evaluate('location.hash = "#/service/shop%2Fpayments"');
    await page.waitForSelector('[role=alert]:has-text("No live figures")');
    await page.waitForSelector('td:has-text("10.0.3.6:8080"), th:has-text("10.0.3.6:8080")');
    for (const [hash, heading] of [
      ['requests', 'Requests'],
      ['faults', 'Faults'],
      ['request/x', 'Request x'],
    ]) {
      await page.evaluate(`location.hash = "#/${hash}"`);
      await page.waitForSelector(`h1:has-text("${heading}")`);
      await page.waitForSelector('[role=alert]');
    }
    expect(wrong()).toEqual([]);
  });

  it('a control plane that goes away: what was known stays, it is said, and it goes on when it is back', async () => {
    const page = await open('#/graph?view=table');
    await page.waitForSelector('tr:has-text("shop/payments")');
    await server.close();
    await page.waitForSelector('[role=alert]:has-text("has not answered since")');
    expect(await text(page)).toContain('shop/payments');
    await page.click('nav >> text=Proxies');
    await page.waitForSelector('h1:text("Proxies")');
    await server.open();
    await page.waitForSelector('tr:has-text("payments-v2-1")');
    await page.waitForSelector('.away', { state: 'detached' });
  });
});

/** The least contrast of any text in the page to what is behind it, by WCAG's formula. */
const leastContrast = `(() => {
  const numbers = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    for (let each = element; each !== null; each = each.parentElement) {
      const colour = numbers(getComputedStyle(each).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  let least = 21;
  for (const element of document.querySelectorAll('h1, h2, p, th, td, a, span, button, strong')) {
    if (element.innerText.trim() === '' || element.closest('[disabled], dialog:not([open])') !== null) continue;
    const [a, b] = [light(numbers(getComputedStyle(element).color)), light(behind(element))].sort((x, y) => y - x);
    least = Math.min(least, (a + 0.05) / (b + 0.05));
  }
  return least;
})()`;

/** Controls without a name, and tables without headings. */
const nameless = `[
  ...[...document.querySelectorAll('button, a, summary')].filter((e) => (e.getAttribute('aria-label') ?? e.textContent).trim() === ''),
  ...[...document.querySelectorAll('input, select, textarea')].filter((e) => e.closest('label') === null && e.getAttribute('aria-label') === null),
  ...[...document.querySelectorAll('table')].filter((e) => e.querySelector('thead th[scope=col]') === null || e.querySelector('tbody th[scope=row]') === null),
  ...[...document.querySelectorAll('[role=region]')].filter((e) => e.getAttribute('aria-label') === null),
].map((e) => e.outerHTML.slice(0, 100))`;
