/** Hosts at a loopback address, for a sidecar in a network of its own (`outrigger run --intercept`): by EDS they are instances on the loopback of the machine around it, and not here. `run` keeps a Unix socket for each that is registered. */

/** Its path in `folder`; '': this is no loopback address. */
export function hostLoopbackSocket(folder: string, host: string, port: number): string {
  return host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host) ? `${folder}/${host}:${port}` : '';
}
