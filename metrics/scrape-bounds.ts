/**
 * How many scrapers are answered at a time: what there is to tell is looked up for each of them (3 MB in a sidecar of 20,000 statistics), and the kernel holds up to 4 MB more of what is not read. Enough for two Prometheus
 * servers, a collector, and people; one address does not take all.
 */
export const scrapeBounds = { maxConnections: 8, maxPerAddress: 4 };

export type ScrapeFailure = 'too_many' | 'not_read';

export const scrapesFailedHelp =
  'Scrapes that were refused or cut for another, as there were `too_many`, or cut as they were `not_read`.';

/** To who is refused. */
export function tooManyScrapes(address: string): string {
  return `${scrapeBounds.maxPerAddress} scrapes of ${address} are being answered; try again in a moment\n`;
}
