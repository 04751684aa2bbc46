/** `HOST:PORT` as flags take it, IPv6 in brackets. */
import { UserError } from './user-error.ts';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Parses the value of `flag`; a port from 0 to 65535. Throws a UserError that names the flag. */
export function parseHostPort(flag: string, text: string): HostPort {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65535) {
    const scheme = /^[a-z]+:\/\//i.exec(text)?.[0];
    const hint = scheme === undefined ? 'write it as 127.0.0.1:8080 or [::1]:8080' : `leave out ${scheme}`;
    throw new UserError(`${flag}: ${JSON.stringify(text)} is not HOST:PORT; ${hint}`, 2);
  }
  return { host: match[1] ?? match[2]!, port };
}

export function formatHostPort(address: HostPort): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** `NAMESPACE/NAME`, both RFC 1123 labels. */
export function parseServiceName(flag: string, text: string): { readonly namespace: string; readonly name: string } {
  const match = /^([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)\/([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)$/.exec(text);
  if (match === null)
    throw new UserError(`${flag}: ${JSON.stringify(text)} is not NAMESPACE/NAME; write it as shop/orders`, 2);
  return { namespace: match[1]!, name: match[2]! };
}

/** `k=v,k2=v2`. */
export function parseLabels(flag: string, text: string): Record<string, string> {
  const labels: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const part of text.split(',')) {
    const at = part.indexOf('=');
    if (at < 1) throw new UserError(`${flag}: ${JSON.stringify(part)} is not a label; write it as version=v2`, 2);
    labels[part.slice(0, at)] = part.slice(at + 1);
  }
  return labels;
}

/** A whole number in a range. */
export function parseWhole(flag: string, text: string, from: number, to: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < from || value > to)
    throw new UserError(`${flag}: ${JSON.stringify(text)} is not a whole number from ${from} to ${to}`, 2);
  return value;
}

/** Only this machine can be there. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}
