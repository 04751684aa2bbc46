/** What is measured of interception, in a network namespace of its own: which contestants, which load, which figure is wanted. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { peerPath } from '../../test/peers/peer-path.ts';
import { StartedProgram } from '../../test/peers/started-program.ts';
import { answerBytes } from '../backend/nginx-backend.ts';
import { runWrk } from '../load/wrk.ts';
import { onProxyCore } from '../measure/cores.ts';
import { envoy } from '../peers/envoy.ts';
import { outrigger } from '../peers/outrigger.ts';
import { timeToOk } from '../peers/readiness.ts';
import type { ContestantId, ProxyPeer } from '../proxy.ts';
import type { Scenario } from '../scenarios.ts';
import { interceptedBootstrap } from './intercepted-bootstrap.ts';

export interface InterceptedScenario {
  readonly scenario: Scenario;
  readonly peers: readonly ProxyPeer[];
  /** Whose figure ours is held against. */
  readonly reference: ContestantId;
}

/** Nobody listens there: what goes there is redirected to the listener of the same port, but for what proxies send. */
const nowhere = '10.200.0.1';
const proxyGroup = '1337';
const iptables = peerPath('iptables') ?? 'iptables';
const interceptedPorts = new Set<number>();
const program = fileURLToPath(new URL('../../bin/outrigger', import.meta.url));
let started = 0;

function contestant(id: ContestantId, base: ProxyPeer, intercepted: boolean): ProxyPeer {
  return {
    ...base,
    id,
    start: async (setup) => {
      const { listenPort, adminPort, upstreamPort } = setup;
      const number = started++;
      const file = join(setup.folder, `${id}-${number}.yaml`);
      writeFileSync(file, interceptedBootstrap({ listenPort, adminPort, upstreamPort, intercepted }));
      const rule = intercepted
        ? `-t nat -A OUTPUT -p tcp -m owner ! --gid-owner ${proxyGroup} -d ${nowhere} --dport ${listenPort} -j REDIRECT --to-ports ${listenPort}`.split(
            ' ',
          )
        : null;
      if (rule !== null) {
        execFileSync(iptables, rule);
        interceptedPorts.add(listenPort);
      }
      // Without interception the kernel follows no connection either.
      else
        for (const [chain, side] of [
          ['OUTPUT', 'dport'],
          ['OUTPUT', 'sport'],
          ['PREROUTING', 'dport'],
          ['PREROUTING', 'sport'],
        ] as const)
          execFileSync(iptables, [
            ...['-t', 'raw', '-A', chain, '-p', 'tcp', `--${side}`, String(listenPort), '-j', 'CT', '--notrack'],
          ]);
      const envoyFlags = ['--concurrency', '1', '--base-id', String((process.pid % 20_000) * 100 + 60 + number)];
      const command =
        base.id === 'envoy'
          ? [peerPath('envoy')!, '-c', file, ...envoyFlags, '-l', 'warning']
          : [program, 'sidecar', '--bootstrap', file];
      const startedMs = performance.now();
      const running = new StartedProgram(
        id,
        onProxyCore(['setpriv', '--regid', proxyGroup, '--clear-groups', ...command]),
      );
      return { program: running, readyMs: await timeToOk(running, adminPort, '/ready', startedMs) };
    },
  };
}

const intercepted = contestant('outrigger', outrigger, true);

const common: Omit<Scenario, 'id' | 'title' | 'goal' | 'load'> = {
  ...{ kind: 'saturation', unit: 'request', unitsPerRequest: 1, inQuick: false, without: null, between: null },
  missing: () => (peerPath('wrk') === null ? 'wrk is missing' : null),
  setup: (backends) => ({
    ...{ downstream: 'http1', upstream: 'http1', upstreamPort: backends.nginx.http1Port, tls: null, listenTls: null },
    ...{ routes: 1, policies: 0, resilience: false },
  }),
};

const load = (port: number, seconds: number, connections: number, headers: readonly string[]) =>
  runWrk({
    url: `http://${interceptedPorts.has(port) ? nowhere : '127.0.0.1'}:${port}/`,
    ...{ connections, seconds, method: 'GET', bodyBytes: 0, answerBytes, headers },
  });

export const interceptedScenarios: readonly InterceptedScenario[] = [
  {
    scenario: {
      ...common,
      id: 'intercepted-http1',
      title: 'HTTP/1.1, 64 connections, redirected to our sidecar against its explicit listener',
      goal: 1.05,
      load: (port, seconds) => load(port, seconds, 64, []),
    },
    peers: [intercepted, contestant('explicit', outrigger, false)],
    reference: 'explicit',
  },
  {
    scenario: {
      ...common,
      id: 'intercepted-connections',
      title: 'New redirected connections, an HTTP/1.1 request each',
      // Of its connections per CPU second 0.8.
      goal: 1.25,
      load: (port, seconds) => load(port, seconds, 32, ['connection: close']),
    },
    peers: [intercepted, contestant('envoy', envoy, true)],
    reference: 'envoy',
  },
];
export const interceptedIds: readonly string[] = interceptedScenarios.map(({ scenario }) => scenario.id);
