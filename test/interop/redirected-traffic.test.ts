/** Our sidecar, and Envoy beside it, with real redirected connections: REDIRECT out and in, TPROXY in, IPv4 and IPv6, by iptables in namespaces of the test's own. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { StartedProgram } from '../peers/started-program.ts';
import { waitFor } from '../peers/started-program.ts';
import { outriggerProgram, peer, Stage } from './programs.ts';
import { redirectedBootstrap } from './redirected-bootstrap.ts';
import { addresses, type Family, type Heard, RedirectedNetwork, serverScript } from './redirected-network.ts';

const families: readonly Family[] = ['IPv4', 'IPv6'];
const adminPort = 15000;

/** What is the sidecar's own, what stays on the machine, and everything else. */
const redirect = families
  .map((family) => (family === 'IPv4' ? 'iptables' : 'ip6tables'))
  .map(
    (iptables) => `
${iptables} -w -t nat -A OUTPUT -p tcp -m owner --gid-owner 1337 -j RETURN
${iptables} -w -t nat -A OUTPUT -o lo -j RETURN
${iptables} -w -t nat -A OUTPUT -p tcp -j REDIRECT --to-ports 15001
${iptables} -w -t nat -A PREROUTING -p tcp -j REDIRECT --to-ports 15006
`,
  )
  .join('');

/** In by TPROXY. A caller's address may be the source of a connection to 127.0.0.1 (route_localnet), and what the application answers to a caller's address goes back to the sidecar, whose connection it is. */
const tproxy = families
  .map((family) => (family === 'IPv4' ? (['iptables', '-4'] as const) : (['ip6tables', '-6'] as const)))
  .map(
    ([iptables, version]) => `
ip ${version} rule add fwmark 1337 lookup 133
ip ${version} route add local default dev lo table 133
${iptables} -w -t mangle -A PREROUTING -p tcp -m mark --mark 1337 -j CONNMARK --save-mark
${iptables} -w -t mangle -A OUTPUT -p tcp -m connmark --mark 1337 -j CONNMARK --restore-mark
${iptables} -w -t mangle -A PREROUTING -i eth0 -p tcp -j TPROXY --on-port 15006 --tproxy-mark 1337
`,
  )
  .join('');

class Scene {
  readonly network = new RedirectedNetwork();
  readonly stage = new Stage();
  proxy!: StartedProgram;

  async start(program: 'outrigger' | 'envoy', transparent: boolean): Promise<void> {
    const { network, stage } = this;
    network.rules(
      transparent
        ? `sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.lo.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0 net.ipv4.conf.eth0.route_localnet=1\n${tproxy}`
        : `ip addr add ::6/128 dev lo nodad\n${redirect}`,
    );
    for (const namespace of [network.host, network.other])
      await stage.start('server', network.inside(namespace, [process.execPath, '-e', serverScript])).line(/serving/);
    const file = stage.file('bootstrap.yaml', stringify(redirectedBootstrap(adminPort, transparent)));
    const command =
      program === 'outrigger'
        ? [outriggerProgram, 'sidecar', '--bootstrap', file, '--log-level', 'debug']
        : [peer('envoy'), '-c', file, '--concurrency', '1', '--use-dynamic-base-id', '-l', 'warning'];
    this.proxy = stage.start(program, network.inside(network.host, command, true));
    await waitFor('the proxy to be ready', 20_000, () => {
      this.proxy.failIfEnded();
      return this.admin('/ready').heard.includes('LIVE');
    });
  }

  out(family: Family, port: number, say: string, until: string): Heard {
    return this.network.call(this.network.host, { host: addresses[family].other, port, say, until });
  }

  in(family: Family, port: number, say: string, until: string): Heard {
    return this.network.call(this.network.other, { host: addresses[family].host, port, say, until });
  }

  admin(path: string): Heard {
    const say = `GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`;
    return this.network.call(this.network.host, { host: '127.0.0.1', port: adminPort, say, until: '\u0000' });
  }

  async stop(): Promise<void> {
    await this.stage.stop();
    this.network.remove();
  }
}

const request = 'GET / HTTP/1.1\r\nhost: somewhere.test\r\nconnection: close\r\n\r\n';

for (const program of ['outrigger', 'envoy'] as const) {
  describe(`${program} with REDIRECT`, () => {
    let scene: Scene;
    beforeAll(async () => {
      scene = new Scene();
      await scene.start(program, false);
    }, 60_000);
    afterAll(async () => scene?.stop());

    it.each(families)('out by %s: HTTP goes to its original destination, through the connection manager', (family) => {
      const { heard } = scene.out(family, 8080, request, '\u0000');
      expect(heard).toMatch(/^HTTP\/1\.1 200/);
      expect(heard).toContain('x-by: passthrough');
      expect(heard).toContain(`"from":"${addresses[family].host}","host":"somewhere.test","id":true`);
    });

    it.each(families)(
      'out by %s: TCP goes to its original destination, also where the server speaks first',
      (family) => {
        expect(scene.out(family, 9000, 'hello\n', 'hello').heard).toBe(`${addresses[family].host} said hello\n`);
        expect(scene.out(family, 2525, '', '\n').heard).toBe(`220 ${addresses[family].host}\n`);
      },
    );

    it('out: the chain is chosen by the original destination', () => {
      expect(scene.out('IPv4', 9001, 'hello\n', 'hello').heard).toBe(`${addresses.IPv4.host} said hello\n`);
      expect(scene.out('IPv6', 9001, 'hello\n', 'hello')).toMatchObject({ heard: '' });
    });

    it('out: what nobody listens to is cut', () => {
      const { heard, error } = scene.out('IPv4', 9, 'hello\n', 'hello');
      expect(heard).toBe('');
      expect(['end', 'ECONNRESET']).toContain(error);
    });

    it.each(families)('in by %s: to the application at its own address, from 127.0.0.6 or ::6', (family) => {
      const from = family === 'IPv4' ? '127.0.0.6' : '::6';
      const { heard } = scene.in(family, 8080, request, '\u0000');
      expect(heard).toContain('x-by: passthrough-in');
      expect(heard).toContain(`"from":"${from}"`);
      expect(scene.in(family, 2525, '', '\n').heard).toBe(`220 ${from}\n`);
      expect(scene.in(family, 9000, 'hello\n', 'hello').heard).toBe(`${from} said hello\n`);
    });

    it.runIf(program === 'outrigger')('what was going to the sidecar itself is cut, counted and told', async () => {
      const { network } = scene;
      for (const [namespace, host, port] of [
        [network.host, '127.0.0.1', 15001],
        [network.host, '::1', 15001],
        [network.other, addresses.IPv4.host, 15006],
        [network.other, addresses.IPv6.host, 15006],
      ] as const)
        expect(network.call(namespace, { host, port, say: 'x', until: 'x' })).toMatchObject({
          heard: '',
          error: 'ECONNRESET',
        });
      await scene.proxy.line(/was going to 127\.0\.0\.1:15001, which is the listener outbound of this sidecar/);
      await scene.proxy.line(/was going to 10\.98\.0\.2:15006, which is the listener inbound of this sidecar/);
      const { heard } = scene.admin('/stats/prometheus');
      expect(heard).toMatch(/outrigger_interception_loops_total\{listener="127\.0\.0\.1_15001"\} 2/);
      expect(heard).toMatch(/outrigger_interception_loops_total\{listener="0\.0\.0\.0_15006"\} 2/);
    });

    // The last of these: it takes the other one's loopback away.
    it.runIf(program === 'outrigger')(
      "a neighbour that calls the host's loopback is cut, where rules let it through: the admin port is not reached",
      async () => {
        const { network } = scene;
        network.forgeLoopback();
        const say = 'POST /quitquitquit HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n';
        for (const port of [adminPort, 8080, 9000])
          expect(network.call(network.other, { host: '127.0.0.1', port, say, until: '\u0000' })).toEqual({
            heard: '',
            error: 'ECONNRESET',
          });
        await scene.proxy.line(/was going to 127\.0\.0\.1:15000, which nobody outside of this machine can call/);
        scene.proxy.failIfEnded();
        const { heard } = scene.admin('/stats/prometheus');
        expect(heard).toMatch(/outrigger_forged_destinations_total\{listener="0\.0\.0\.0_15006"\} 3/);
      },
    );
  });

  describe(`${program} with TPROXY`, () => {
    let scene: Scene;
    beforeAll(async () => {
      scene = new Scene();
      await scene.start(program, true);
    }, 60_000);
    afterAll(async () => scene?.stop());

    it.each(families)('in by %s: the application sees its caller', (family) => {
      const from = addresses[family].other;
      expect(scene.in(family, 2525, '', '\n').heard).toBe(`220 ${from}\n`);
      const { heard } = scene.in(family, 8080, request, '\u0000');
      expect(heard).toContain('x-by: passthrough-in');
      expect(heard).toContain(`"from":"${from}"`);
    });

    it('in: also at 127.0.0.1; at ::1 in its place for callers of IPv6', () => {
      const said = (family: Family): string => scene.in(family, 9000, 'hello\n', 'hello').heard;
      expect(said('IPv4')).toBe(`${addresses.IPv4.other} said hello\n`);
      // No IPv6 address can be the source of a connection to an IPv4 one: Envoy makes none then.
      expect(said('IPv6')).toBe(program === 'envoy' ? '' : `${addresses.IPv6.other} said hello\n`);
    });
  });
}
