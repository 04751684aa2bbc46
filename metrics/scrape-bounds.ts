/**
 * How many scrapers are answered at a time: what there is to tell is looked up for each of them (3 MB in a sidecar of 20,000 statistics). Enough for two Prometheus servers, a collector, and people; one address does not take
 * all. An answer that is handed to the kernel whole is no longer counted: what of it nobody reads, 4 MB at most, the kernel keeps until the connection has been idle for long.
 */
export const scrapeBounds = { maxConnections: 8, maxPerAddress: 4 };

export type ScrapeFailure = 'too_many' | 'not_read';

export const scrapesFailedHelp =
  'Scrapes that were refused or cut for another, as there were `too_many`, or cut as they were `not_read`.';

/** To who is refused. */
export function tooManyScrapes(address: string): string {
  return `${scrapeBounds.maxPerAddress} scrapes of ${address} are being answered; try again in a moment\n`;
}
