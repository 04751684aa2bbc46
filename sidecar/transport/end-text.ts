/** The two ends of a connection as text, `ip:port`, IPv6 in brackets. IPv4 that goes over an IPv6 socket is shown as IPv4. */
import type { Socket } from 'node:net';

export function endText(address: string, port: number | undefined): string {
  const bare = bareAddress(address);
  return bare.includes(':') ? `[${bare}]:${port}` : `${bare}:${port}`;
}

/** IPv4 that came over an IPv6 socket as IPv4. */
export function bareAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

/** Our own end; '': the system does not say, as the connection is closed already or has no addresses. Asks the system: not for every request. */
export function localEnd(socket: Socket): string {
  const { localAddress, localPort } = socket;
  return localAddress === undefined || localPort === undefined ? '' : endText(localAddress, localPort);
}
