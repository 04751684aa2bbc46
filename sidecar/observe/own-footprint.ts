/** What this process takes, asked of the system when somebody wants to know. */

export interface Footprint {
  readonly residentBytes: number;
  /** Since it began. */
  readonly cpuSeconds: number;
  readonly uptimeSeconds: number;
}

export function ownFootprint(): Footprint {
  const { user, system } = process.cpuUsage();
  return {
    residentBytes: process.memoryUsage.rss(),
    cpuSeconds: (user + system) / 1e6,
    uptimeSeconds: process.uptime(),
  };
}
