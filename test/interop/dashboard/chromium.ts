/** Debian's Chromium, driven by playwright-core; and pages that tell of everything that should not happen in them. */
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { peerPath } from '../../peers/peer-path.ts';

/** `executablePath`: of what starts it, where that is something else. */
export async function openChromium(executablePath = peerPath('chromium')): Promise<Browser> {
  if (executablePath === null) throw new Error('no chromium: node test/peers/install.ts chromium');
  // Who is root has no sandbox.
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

export interface WatchedPage {
  readonly page: Page;
  /** Errors of scripts, lines on the console, what the security policy refused, addresses elsewhere. */
  readonly wrong: string[];
  /** Whole addresses, as they were asked for. */
  readonly asked: string[];
  close(): Promise<void>;
}

/** `url`: whose page it will be; whatever else is asked for is wrong. */
export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
  const page = await context.newPage();
  const wrong: string[] = [];
  const asked: string[] = [];
  page.on('pageerror', ({ message }) => wrong.push(`error: ${message}`));
  page.on('console', (message) => {
    // A status that says so is told by the page itself.
    if (['error', 'warning'].includes(message.type()) && !message.text().startsWith('Failed to load resource'))
      wrong.push(`console: ${message.text()}`);
  });
  page.on('request', (request) => {
    asked.push(request.url());
    if (!request.url().startsWith(`${url}/`)) wrong.push(`asked for ${request.url()}`);
  });
  return { page, wrong, asked, close: () => context.close() };
}
