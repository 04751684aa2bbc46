/** What sidecars take, by what they say of themselves with their figures. */
import type { FigureReport } from './figure-feed.ts';

export interface ProxyFootprint {
  readonly residentBytes: number;
  /** Of one core, over the last reports, or since it began where there is one only; 1: all of it. */
  readonly cpuShare: number;
}

/** By {@link footprintKey}. */
export type Footprints = ReadonlyMap<string, ProxyFootprint>;

/** A node id counts only together with the service that its sidecar proved to be of. */
export function footprintKey(service: string, nodeId: string): string {
  return `${service} ${nodeId}`;
}

/** `windows`: the reports of each sidecar, oldest first. */
export function footprints(windows: ReadonlyArray<readonly FigureReport[]>): Footprints {
  const found = new Map<string, ProxyFootprint>();
  for (const reports of windows) {
    const said = reports.filter(({ used }) => used !== null);
    const last = said.at(-1);
    if (last === undefined) continue;
    const first = said[0]!;
    const seconds = (last.atMs - first.atMs) / 1_000;
    const { residentBytes, cpuSeconds, uptimeSeconds } = last.used!;
    const share =
      seconds > 0
        ? (cpuSeconds - first.used!.cpuSeconds) / seconds
        : uptimeSeconds > 0
          ? cpuSeconds / uptimeSeconds
          : 0;
    found.set(footprintKey(last.proxy.service, last.proxy.nodeId), {
      residentBytes,
      cpuShare: Math.max(0, Math.round(share * 10_000) / 10_000),
    });
  }
  return found;
}
