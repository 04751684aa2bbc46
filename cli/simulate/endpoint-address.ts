/** Where the instances of simulated services are: each has an address of its own in 10.0.0.0/8. */

/** Most services of a simulation, and most endpoints of one: what fits into the addresses. */
export const mostServices = 200;
export const mostEndpoints = 50_000;

/** Both from 0. */
export function endpointAddress(service: number, instance: number): string {
  return `10.${service + 1}.${instance >> 8}.${instance & 255}`;
}
