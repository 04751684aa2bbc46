/** Names in the place of IP addresses: what is one, and how the system looks it up, once. Connections of clusters do so by name-lookups.ts. */
import type { LookupOptions } from 'node:dns';
import type { LookupFunction } from 'node:net';

const label = /^[A-Za-z0-9_](?:[-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?$/;

/** As name servers take it (RFC 1123 2.1, and underscores, which are about). Numbers at its end would be an address that is none. */
export function isHostName(text: string): boolean {
  const labels = text.replace(/\.$/, '').split('.');
  return text.length <= 254 && labels.every((each) => label.test(each)) && !/^\d+$/.test(labels.at(-1)!);
}

/** For node:net: IPv4 first, as where a name has both the one is what everybody has tried. Its module is loaded when there is a name. */
export const lookUpHost: LookupFunction = (name, options, callback) => {
  process.getBuiltinModule('node:dns').lookup(name, { ...(options as LookupOptions), order: 'ipv4first' }, callback);
};

/** Why there is no address, for people; '' for other errors. */
export function lookUpFault(code: string): string {
  switch (code) {
    case 'ENOTFOUND':
    case 'ENODATA':
      return 'no address is known for that name';
    case 'EAI_AGAIN':
    case 'ETIMEOUT':
    case 'ESERVFAIL':
      return 'the name server does not answer';
    default:
      return '';
  }
}
