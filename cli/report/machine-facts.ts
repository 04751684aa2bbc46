/** What machine this is, as far as it bears on the mesh. No names of users, and none of its environment but our own variables. */
import { readFileSync } from 'node:fs';
import {
  availableParallelism,
  cpus,
  freemem,
  loadavg,
  networkInterfaces,
  release,
  totalmem,
  type,
  uptime,
  version,
} from 'node:os';
import { openFilesLimit } from '../../sidecar/listener/open-files-limit.ts';

export function machineFacts(outrigger: string, nowWallMs: number): string {
  const addresses = Object.entries(networkInterfaces()).flatMap(([name, each]) =>
    (each ?? []).map(({ address, family }) => `${name} ${family} ${address}`),
  );
  const facts = {
    at: new Date(nowWallMs).toISOString(),
    outrigger,
    node: process.versions.node,
    v8: process.versions.v8,
    openssl: process.versions.openssl,
    platform: `${process.platform} ${process.arch}`,
    kernel: `${type()} ${release()}`,
    kernelVersion: version(),
    cpus: { count: cpus().length, usable: availableParallelism(), model: cpus()[0]?.model ?? '' },
    load: loadavg(),
    memory: { totalBytes: totalmem(), freeBytes: freemem(), cgroupLimit: firstLine('/sys/fs/cgroup/memory.max') },
    upSeconds: Math.round(uptime()),
    openFilesLimit: openFilesLimit(),
    kubernetes: process.env['KUBERNETES_SERVICE_HOST'] !== undefined,
    addresses,
    environment: Object.fromEntries(
      Object.entries(process.env).filter(([name]) => name.startsWith('OUTRIGGER_') || name === 'NODE_OPTIONS'),
    ),
  };
  return JSON.stringify(facts);
}

/** '' where there is no such file. */
function firstLine(file: string): string {
  try {
    return readFileSync(file, 'utf8').split('\n')[0]!;
  } catch {
    return '';
  }
}
