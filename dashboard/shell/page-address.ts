/** Which page an address means: `#/service/shop%2Forders`, `#/requests?status=5xx`. Only the part after `#`, which servers never see. */

export const pageNames = [
  'graph',
  'service',
  'edge',
  'requests',
  'request',
  'tap',
  'proxies',
  'config',
  'faults',
] as const;
export type PageName = (typeof pageNames)[number];

export interface PageAddress {
  readonly page: PageName;
  /** What it is about: a service, two of an edge, a request. */
  readonly about: readonly string[];
  readonly query: Readonly<Record<string, string>>;
}

/** The graph, for an address that means nothing. */
export function parseAddress(hash: string): PageAddress {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const [page = '', ...about] = path.split('/').map(decoded);
  return {
    page: pageNames.find((name) => name === page) ?? 'graph',
    about: about.filter((part) => part !== ''),
    query: Object.fromEntries(new URLSearchParams(query)),
  };
}

export function addressOf(
  page: PageName,
  about: readonly string[] = [],
  query: Readonly<Record<string, string>> = {},
): string {
  const given = Object.entries(query).filter(([, value]) => value !== '');
  const text = given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`;
  return `#/${[page, ...about].map(encodeURIComponent).join('/')}${text}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
