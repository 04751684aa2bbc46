/**
 * `--verify`: tries the rules by real connections. Where no sidecar listens, short-lived listeners stand for it and see the original destination; where one does, that somebody takes a connection to an
 * address where nobody is proves the rule.
 */
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { type Family, holdsAddress } from './address-range.ts';
import { callScript } from './call-script.ts';
import type { InterceptConfig } from './intercept-config.ts';
import type { NetworkFacts } from './network-facts.ts';
import { callFromOutside, outsideAddresses } from './outside-caller.ts';
import { inboundPort, nobody, outboundTarget } from './probe-target.ts';
import { passthroughSource } from './rule-set.ts';
import { originalDestination, plainAddress, transparentListener } from './socket-calls.ts';

export interface Check {
  readonly level: 'ok' | 'failed' | 'skipped';
  /** Which rule, and what came of it. */
  readonly text: string;
}

/** For a connection that is to come about. */
const patienceMs = 3_000;
/** After which one that passes by to nowhere is taken to have passed: what is intercepted is connected at once. */
const passedMs = 400;

export async function verifyInterception(config: InterceptConfig, facts: NetworkFacts): Promise<readonly Check[]> {
  const checks: Check[] = [];
  for (const family of config.ipv6 && facts.hasIpv6 ? (['IPv4', 'IPv6'] as const) : (['IPv4'] as const)) {
    const stage = new Stage(config, family);
    try {
      await stage.open();
      for (const check of [stage.outbound, stage.dns, stage.ownTraffic, stage.itself, stage.handedOn, stage.inbound])
        checks.push(...(await check.call(stage)).map(({ level, text }) => ({ level, text: `${family}: ${text}` })));
    } finally {
      await stage.close();
    }
  }
  return checks;
}

/**
 * The same as far as no right is needed: by a process that may do nothing but listen and connect. As the application's user it tries what the application opens, and its questions; as the sidecar's, that its own connections do
 * not come back, and that the application can call itself. No caller from outside can be made without a right.
 */
export async function verifyWithoutRights(
  config: InterceptConfig,
  families: readonly Family[],
): Promise<readonly Check[]> {
  const asProxy =
    config.proxyUids.includes(process.geteuid?.() ?? 0) || config.proxyGids.includes(process.getegid?.() ?? 0);
  const checks: Check[] = [];
  for (const family of families) {
    const stage = new Stage(config, family);
    try {
      await stage.open(asProxy ? ['outbound', 'inbound'] : ['outbound']);
      for (const check of asProxy ? [stage.ownTraffic, stage.itself, stage.handedOn] : [stage.outbound, stage.dns])
        checks.push(...(await check.call(stage)).map(({ level, text }) => ({ level, text: `${family}: ${text}` })));
    } finally {
      await stage.close();
    }
  }
  return checks;
}

interface Seen {
  readonly destination: string;
  readonly source: string;
}

/** One family's listeners. */
class Stage {
  readonly #config: InterceptConfig;
  readonly #family: Family;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #seen: { outbound: Seen[]; inbound: Seen[]; application: Seen[] } = {
    outbound: [],
    inbound: [],
    application: [],
  };
  /** Whether a sidecar has the port: what comes to it cannot be seen. */
  readonly #taken = { outbound: false, inbound: false };

  constructor(config: InterceptConfig, family: Family) {
    this.#config = config;
    this.#family = family;
  }

  /** Listens on the ports of a sidecar that is not there yet. */
  async open(which: ReadonlyArray<'outbound' | 'inbound'> = ['outbound', 'inbound']): Promise<void> {
    const { outboundPort, inboundPort: port, mode } = this.#config;
    const [loopback, all] = this.#family === 'IPv4' ? ['127.0.0.1', '0.0.0.0'] : ['::1', '::'];
    this.#taken.outbound = !(await this.#listen('outbound', { host: loopback, port: outboundPort }));
    if (!which.includes('inbound')) return;
    this.#taken.inbound = !(await this.#listen('inbound', { host: all, port, transparent: mode === 'tproxy' }));
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  async outbound(): Promise<readonly Check[]> {
    const target = outboundTarget(this.#config, this.#family);
    const { outboundPort, excludeUids, proxyUids } = this.#config;
    const what = `outbound, to port ${outboundPort}`;
    if (target === null) return [skipped(`${what}: the settings intercept nothing`)];
    if ([...excludeUids, ...proxyUids].includes(process.getuid?.() ?? 0))
      return [skipped(`${what}: connections of this user pass by`)];
    const how = await this.#connect(target.address, target.port, patienceMs);
    const to = place(target.address, target.port);
    if (await hasNoRoute(how, target.address)) return [skipped(`${what}: there is no route to ${to} to try it by`)];
    if (this.#taken.outbound)
      return [
        how === 'connected'
          ? ok(`${what}: who listens there takes a connection to ${to}, where nobody is`)
          : failed(
              `${what}: a connection to ${to} did not come to the sidecar (${how}); the rules of the chain OUTBOUND`,
            ),
      ];
    const seen = this.#seen.outbound.find(({ destination }) => destination === to);
    if (how === 'connected' && seen !== undefined) return [ok(`${what}: a connection to ${to} came, and says so`)];
    const came = this.#seen.outbound.at(-1);
    return [
      failed(
        `${what}: a connection to ${to} ${came === undefined ? `did not come (${how})` : `came as one to ${came.destination}`}; the rules of the chain OUTBOUND`,
      ),
    ];
  }

  async dns(): Promise<readonly Check[]> {
    const { dnsPort } = this.#config;
    if (dnsPort === null) return [];
    const what = `questions to port 53, to port ${dnsPort}`;
    const type = this.#family === 'IPv4' ? 'udp4' : 'udp6';
    const server = createSocket(type);
    const client = createSocket(type);
    try {
      const isFree = await new Promise<boolean>((resolve) => {
        server.once('error', () => resolve(false));
        server.bind(dnsPort, this.#family === 'IPv4' ? '127.0.0.1' : '::1', () => resolve(true));
      });
      if (!isFree) return [skipped(`${what}: somebody listens there, which is as it should be`)];
      server.on('message', (message, { port, address }) => server.send(message, port, address));
      const how = await new Promise<string>((resolve) => {
        const timer = setTimeout(() => resolve('no answer'), patienceMs);
        const end = (text: string): void => {
          clearTimeout(timer);
          resolve(text);
        };
        client.once('error', (error) => end((error as NodeJS.ErrnoException).code ?? error.message));
        client.once('message', (_, { address, port }) => end(place(address, port)));
        client.send('outrigger', 53, nobody[this.#family]);
      });
      if (how === place(nobody[this.#family], 53)) return [ok(`${what}: one came, and its answer went back`)];
      // Where nothing is routed, a question is lost without a word.
      if (!(await isRouted(nobody[this.#family]))) return [skipped(`${what}: there is no route to try it by`)];
      return [failed(`${what}: none came (${how}); the rules of the chain OUTBOUND for port 53`)];
    } finally {
      client.close();
      server.close();
    }
  }

  async ownTraffic(): Promise<readonly Check[]> {
    const target = outboundTarget(this.#config, this.#family);
    const what = "the sidecar's own connections pass";
    if (target === null) return [];
    const before = this.#seen.outbound.length;
    const how = await this.#asProxy({ ...target, timeoutMs: passedMs });
    if (how.startsWith('cannot')) return [skipped(`${what}: ${how}`)];
    if (await hasNoRoute(how, target.address)) return [skipped(`${what}: there is no route to try it by`)];
    const caught = this.#taken.outbound ? how === 'connected' : this.#seen.outbound.length > before;
    return [
      caught
        ? failed(
            `${what}: one to ${place(target.address, target.port)} came back to port ${this.#config.outboundPort}, without end; the rules of the chain OUTBOUND for --proxy-uid and --proxy-gid`,
          )
        : ok(`${what}: one to ${place(target.address, target.port)} was not led back`),
    ];
  }

  async itself(): Promise<readonly Check[]> {
    const { address, port, what } = this.#self('the application calls itself by the service, to port');
    if (address === null || port === null)
      return [
        skipped(
          `${what}: ${address === null ? 'no address but loopback is here' : 'the settings intercept nothing inbound'}`,
        ),
      ];
    const how = await this.#asProxy({ address, port, timeoutMs: patienceMs });
    if (how.startsWith('cannot')) return [skipped(`${what}: ${how}`)];
    const to = place(address, port);
    const came = this.#taken.inbound
      ? how === 'connected'
      : this.#seen.inbound.some(({ destination }) => destination === to);
    return [
      came
        ? ok(`${what}: the sidecar's connection to ${to} came`)
        : failed(`${what}: the sidecar's connection to ${to} did not come (${how}); the rules of the chain PROXY`),
    ];
  }

  async handedOn(): Promise<readonly Check[]> {
    const { address, port, what } = this.#self('what the sidecar hands on reaches the application, not port');
    if (address === null || port === null) return [];
    const isOurs = await this.#listen('application', { host: address, port: 0 });
    const server = this.#servers.at(-1)?.address();
    if (!isOurs || typeof server !== 'object' || server === null) return [skipped(`${what}: no port could be had`)];
    const localAddress = passthroughSource[this.#family];
    const how = await this.#asProxy({ address, port: server.port, timeoutMs: patienceMs, localAddress });
    if (how.startsWith('cannot')) return [skipped(`${what}: ${how}`)];
    const came = this.#seen.application.some(({ source }) => source === localAddress);
    return [
      came
        ? ok(`${what}: a connection from ${localAddress} came to ${address} itself`)
        : failed(
            `${what}: a connection from ${localAddress} did not come to ${address} (${how}); the rules of the chain PROXY for ${localAddress}`,
          ),
    ];
  }

  async inbound(): Promise<readonly Check[]> {
    const { inbound, inboundPort: own, mode } = this.#config;
    const what = `inbound, to port ${own}`;
    const port = inboundPort(this.#config);
    const { ours, theirs } = outsideAddresses[this.#family];
    if (port === null || inbound.includeRanges?.length === 0)
      return [skipped(`${what}: the settings intercept nothing`)];
    if (
      holdsAddress(inbound.excludeRanges, theirs) ||
      !holdsAddress(inbound.includeRanges ?? [{ family: this.#family, address: theirs, bits: 0 }], theirs)
    )
      return [skipped(`${what}: the settings limit from where, and no such caller can be made here`)];
    const how = await callFromOutside(this.#family, port, patienceMs);
    if (how.startsWith('cannot')) return [skipped(`${what}, from outside: ${how}`)];
    const to = place(ours, port);
    if (this.#taken.inbound)
      return [
        how === 'connected'
          ? ok(`${what}: who listens there takes a connection from outside to ${to}, where nobody listens`)
          : failed(
              `${what}: a connection from outside to ${to} did not come to the sidecar (${how}); the rules of the chain INBOUND`,
            ),
      ];
    const seen = this.#seen.inbound.find(({ destination }) => destination === to);
    if (seen === undefined) {
      const came = this.#seen.inbound.at(-1);
      return [
        failed(
          `${what}: a connection from outside to ${to} did not come (${how}${came === undefined ? '' : `; what came was for ${came.destination}`}); the rules of the chain INBOUND`,
        ),
      ];
    }
    if (mode === 'tproxy' && seen.source !== theirs)
      return [
        failed(
          `${what}: a connection from ${theirs} came as one from ${seen.source}; TPROXY keeps the caller's address, so another program changes it`,
        ),
      ];
    return [ok(`${what}: a connection from outside to ${to} came, and says so`)];
  }

  #self(what: string): { address: string | null; port: number | null; what: string } {
    const own = Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .find(({ family, internal, address }) => family === this.#family && !internal && !address.startsWith('fe80'));
    return {
      address: own?.address ?? null,
      port: inboundPort(this.#config),
      what: `${what} ${this.#config.inboundPort}`,
    };
  }

  /** False: somebody has the port. */
  async #listen(
    what: 'outbound' | 'inbound' | 'application',
    {
      host,
      port,
      transparent = false,
    }: { readonly host: string; readonly port: number; readonly transparent?: boolean },
  ): Promise<boolean> {
    const server = createServer((socket) => {
      this.#sockets.add(socket.on('error', () => {}));
      const to = originalDestination(socket);
      // Without a change of its destination a connection's own address is it: so it is by TPROXY.
      const destination =
        to === null ? place(plainAddress(socket.localAddress), socket.localPort ?? 0) : place(to.address, to.port);
      this.#seen[what].push({ destination, source: plainAddress(socket.remoteAddress) });
      socket.end();
    });
    let fd: number | null = null;
    try {
      fd = transparent ? transparentListener(this.#family, port) : null;
    } catch {
      return false;
    }
    const isOpen = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      if (fd === null) server.listen({ host, port, ipv6Only: true }, () => resolve(true));
      else server.listen({ fd }, () => resolve(true));
    });
    if (isOpen) this.#servers.push(server);
    return isOpen;
  }

  /** `connected`, or why not. What the other side has seen is known by then. */
  async #connect(host: string, port: number, timeoutMs: number): Promise<string> {
    return new Promise((resolve) => {
      const socket = connect({ host, port });
      const end = (how: string): void => {
        clearTimeout(timer);
        socket.destroy();
        resolve(how);
      };
      const timer = setTimeout(() => end('no answer'), timeoutMs);
      socket.once('error', (error) => end((error as NodeJS.ErrnoException).code ?? error.message));
      // The other side's end is behind all that it does.
      socket.once('connect', () =>
        this.#taken.outbound ? end('connected') : socket.once('end', () => end('connected')).resume(),
      );
    });
  }

  /** The same as a process that has the proxy's user or group. `cannot …`: it could not be tried. */
  async #asProxy(call: ProxyCall): Promise<string> {
    const [uid] = this.#config.proxyUids;
    const [gid] = this.#config.proxyGids;
    if (uid === undefined && gid === undefined) return 'cannot be tried: the sidecar is known by its mark only';
    return new Promise((resolve) => {
      let output = '';
      const child = spawn(process.execPath, ['-e', callScript, JSON.stringify({ ...call, uid, gid })], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      child.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()));
      child.once('error', ({ message }) => resolve(`cannot be tried: ${message}`));
      child.once('close', () => resolve(output.trim() || 'cannot be tried: the process ended without a word'));
    });
  }
}

interface ProxyCall {
  readonly address: string;
  readonly port: number;
  readonly timeoutMs: number;
  readonly localAddress?: string;
}

/** A router on the way says the same of a connection that has left this host: so only the kernel's own word counts, which it gives to a socket that sends nothing. */
async function hasNoRoute(how: string, address: string): Promise<boolean> {
  return (how === 'ENETUNREACH' || how === 'EADDRNOTAVAIL') && !(await isRouted(address));
}

/** The kernel knows a way to the address, whatever rules make of what goes there. */
async function isRouted(address: string): Promise<boolean> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  try {
    return await new Promise<boolean>((resolve) => {
      socket.once('error', () => resolve(false));
      // Its fault comes as the argument, which the types do not know.
      socket.connect(9, address, (...faults: readonly unknown[]) =>
        resolve(!faults.some((each) => each instanceof Error)),
      );
    });
  } finally {
    socket.close();
  }
}

const ok = (text: string): Check => ({ level: 'ok', text });
const failed = (text: string): Check => ({ level: 'failed', text });
const skipped = (text: string): Check => ({ level: 'skipped', text });

function place(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
