/**
 * Ports for programs that can't be told to choose one themselves. Not the kernel's choice (`listen(0)`): its next choice for
 * somebody's outgoing connection may be the same port, before the program listens. So they come from below its range.
 */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Under every default of `net.ipv4.ip_local_port_range` (32768 and up), over the ports that services have by habit. */
const firstPort = 20_000;
const endOfPorts = 32_000;

const given = new Set<number>();

/** `count` different ports that were free a moment ago, none of them given before by this process. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let tries = 0; ports.length < count; tries++) {
    if (tries > 1000 + count) throw new Error(`no ${count} free ports between ${firstPort} and ${endOfPorts}`);
    const port = randomInt(firstPort, endOfPorts);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    ports.push(port);
  }
  return ports;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, () => server.close(() => resolve(true)));
  });
}
