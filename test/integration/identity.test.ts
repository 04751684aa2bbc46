/** A sidecar's identity from first contact to rotation, against the control plane's identity service over real TLS. The sidecar's clock is moved, OpenSSL's is not: certificates live for 24 hours. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { controlPlaneId } from '../../certs/spiffe/control-plane-id.ts';
import { trustBundlePem } from '../../certs/spiffe/trust-bundle.ts';
import { serviceBootstrap } from '../../cli/service-bootstrap.ts';
import { parseSidecarFlags } from '../../cli/sidecar-flags.ts';
import { chooseIdentity } from '../../cli/sidecar-identity.ts';
import { ask } from '../../sidecar/admin/test/running-sidecar.ts';
import { Log } from '../../sidecar/runtime/log.ts';
import { Sidecar } from '../../sidecar/server.ts';
import { decodeBootstrap } from '../../sidecar/xds/bootstrap-file.ts';
import { orders, SecureControlPlane, trustDomain } from './secure-control-plane.ts';
import { eventually } from './started-process.ts';

const hourMs = 3_600_000;

class MovedSidecar {
  readonly log: string[] = [];
  readonly sidecar: Sidecar;
  ready = false;
  #aheadMs = 0;
  /** The monotonic clock does not go back with the other. */
  #steadyAheadMs = 0;
  readonly #stopped = Promise.withResolvers<void>();

  constructor(controlPlane: SecureControlPlane, token: string, trustBundle: string = controlPlane.trustBundle) {
    const tokenFile = join(controlPlane.folder, 'token');
    writeFileSync(tokenFile, `${token}\n`);
    const flags = parseSidecarFlags(
      [
        ...['--service', 'shop/orders', '--app-port', '1', '--admin', '127.0.0.1:0', '--inbound-listen', '127.0.0.1:0'],
        ...['--outbound-listen', '127.0.0.1:0', '--control-plane-tls', `127.0.0.1:${controlPlane.port}`],
        ...['--join-token-file', tokenFile, '--trust-bundle', trustBundle],
      ],
      {},
    );
    const choice = chooseIdentity(flags, {});
    if (choice.kind !== 'identity') throw new Error(choice.why);
    const bootstrap = decodeBootstrap(serviceBootstrap(flags, 'orders-1', choice), 0);
    if (!bootstrap.ok) throw new Error(bootstrap.faults.join('\n'));
    const clock = { nowMs: () => performance.now() + this.#steadyAheadMs, wallMs: () => Date.now() + this.#aheadMs };
    this.sidecar = new Sidecar({
      bootstrap: bootstrap.bootstrap,
      probeAddress: null,
      drainTimeMs: 0,
      identity: { ...choice.config, authorityWindowMs: 50 },
      clock,
      random: Math.random,
      log: new Log(clock, 'info', true, (line) => this.log.push(line)),
      commandLine: {},
      onReady: () => {
        this.ready = true;
      },
      onStopped: () => this.#stopped.resolve(),
    });
  }

  /** Sets the sidecar's clock; what falls due begins. */
  moveTo(aheadMs: number): void {
    this.#aheadMs = aheadMs;
    this.#steadyAheadMs = Math.max(aheadMs, this.#steadyAheadMs);
    this.sidecar.wheel.advance();
  }

  async shown(path: string): Promise<Record<string, Record<string, unknown>>> {
    return JSON.parse((await ask(this.sidecar.adminPort, 'GET', path)).body) as Record<string, Record<string, unknown>>;
  }

  get serial(): string {
    return (this.sidecar.serverInfo() as { identity: { serial_number: string } }).identity.serial_number;
  }

  async stop(): Promise<void> {
    this.sidecar.quit();
    await this.#stopped.promise;
  }
}

let controlPlane: SecureControlPlane;
let moved: MovedSidecar | null = null;

beforeEach(async () => {
  controlPlane = new SecureControlPlane();
  await controlPlane.start();
});

afterEach(async () => {
  await moved?.stop();
  moved = null;
  controlPlane.close();
});

const joinToken = (uses = 1): string => controlPlane.joinTokens.create({ identities: [orders], uses }).token;

async function started(token = joinToken()): Promise<MovedSidecar> {
  moved = new MovedSidecar(controlPlane, token);
  await moved.sidecar.start();
  await eventually('the sidecar is ready', () => Promise.resolve(moved!.ready));
  return moved;
}

describe('a sidecar with an identity', () => {
  test('gets its first certificate by a join token, then its configuration with it, and shows both but never the key', async () => {
    const { sidecar, serial, log, shown } = await started();
    expect(controlPlane.serials('sign')).toEqual(['']);
    expect(controlPlane.serials('deltaAggregatedResources')).toEqual([serial]);
    await eventually('the bundles are watched', () =>
      Promise.resolve(controlPlane.serials('watchBundle')[0] === serial),
    );
    expect(sidecar.secrets.get('default')!.value.kind).toBe('certificate');
    const { identity } = await shown.call(moved, '/server_info');
    expect(identity).toMatchObject({
      state: 'valid',
      spiffe_id: orders.text,
      trust_domain: trustDomain,
      last_failure: '',
    });
    const certs = JSON.stringify(await shown.call(moved, '/certs'));
    expect(certs).toContain(serial);
    expect(certs).toContain(orders.text);
    const everything =
      certs + JSON.stringify(await shown.call(moved, '/config_dump')) + JSON.stringify(identity) + log.join();
    expect(everything).not.toContain('PRIVATE KEY');
    expect(everything).not.toContain('ojt_');
    expect(log.join()).toContain(`identity ${orders.text} issued by the join token in `);
    const metrics = (await ask(sidecar.adminPort, 'GET', '/stats/prometheus')).body;
    expect(metrics).toMatch(/outrigger_certificate_expiry_seconds\{[^}]*name="default"[^}]*\} 86[34]\d\d\n/);
    expect(metrics).toContain('outrigger_identity_renewals_total{result="ok"} 1\n');
  });

  test('is not ready before it has a certificate', async () => {
    controlPlane.stop();
    moved = new MovedSidecar(controlPlane, joinToken());
    await moved.sidecar.start();
    await eventually('it is told', () => Promise.resolve(moved!.log.join().includes('connection refused')));
    expect((await ask(moved.sidecar.adminPort, 'GET', '/ready')).status).toBe(503);
    await controlPlane.start();
    await eventually('it is ready', async () => (await ask(moved!.sidecar.adminPort, 'GET', '/ready')).status === 200);
  });

  test('renews at half of the life with its certificate; ADS and bundles move to the new one, and no configuration is lost', async () => {
    const { sidecar, serial: first } = await started();
    const inbound = sidecar.listeners.boundPort('inbound');
    const clusters = sidecar.clusters.dump().map(({ name }) => name);
    moved!.moveTo(14 * hourMs);
    await eventually('it is renewed', () => Promise.resolve(moved!.serial !== first));
    const second = moved!.serial;
    await eventually('both streams have moved', () =>
      Promise.resolve(
        ['deltaAggregatedResources', 'watchBundle'].every((method) => controlPlane.serials(method).at(-1) === second),
      ),
    );
    expect(controlPlane.serials('sign')).toEqual(['', first]);
    await eventually('one proxy is connected', () => Promise.resolve([...controlPlane.snapshots.proxies].length === 1));
    expect(sidecar.listeners.boundPort('inbound')).toBe(inbound);
    expect(sidecar.clusters.dump().map(({ name }) => name)).toEqual(clusters);
    expect(sidecar.state()).toBe('LIVE');
  });

  test('confirms a new root, trusts both, and moves to it when its turn comes', async () => {
    const { sidecar, serial: first } = await started();
    const { authority } = controlPlane;
    await eventually('it watches', () => Promise.resolve(controlPlane.evidence.withBundle === 1));
    authority.rotate();
    await eventually('it has the new root', () => Promise.resolve(controlPlane.evidence.withBundle === 1));
    expect(sidecar.secrets.get('ROOTCA')!.certificates).toHaveLength(2);
    authority.force();
    await eventually('it has moved', () => Promise.resolve(controlPlane.evidence.moved === 1));
    expect(moved!.serial).not.toBe(first);
    expect(controlPlane.serials('sign')).toHaveLength(2);
    authority.force();
    await eventually('the old root is gone', () =>
      Promise.resolve(sidecar.secrets.get('ROOTCA')!.certificates.length === 1),
    );
  });

  test('asks with its token again when the certificate has expired', async () => {
    const { serial: first } = await started(joinToken(2));
    controlPlane.stop();
    moved!.moveTo(25 * hourMs);
    await eventually('it is told', () => Promise.resolve(moved!.log.join().includes('expired at')));
    expect((await moved!.shown('/server_info'))['identity']).toMatchObject({
      state: 'expired',
      spiffe_id: orders.text,
    });
    moved!.moveTo(0);
    await controlPlane.start();
    await eventually('it has another', () => Promise.resolve(moved!.serial !== first));
    expect(controlPlane.serials('sign')).toEqual(['', '']);
  });

  test('warns when less than a quarter of the life is left and the renewal fails', async () => {
    await started();
    controlPlane.stop();
    moved!.moveTo(14 * hourMs);
    await eventually('it is told', () => Promise.resolve(moved!.log.join().includes('could not renew')));
    expect(moved!.log.join()).not.toContain('less than a quarter');
    for (let ahead = 18.5 * hourMs; !moved!.log.join().includes('less than a quarter'); ahead += 60_000) {
      moved!.moveTo(ahead);
      await new Promise(setImmediate);
    }
    expect(moved!.log.find((line) => line.includes('less than a quarter'))).toMatch(
      /"warn".*could not renew the certificate of spiffe:.*connection refused.*when it has expired, peers refuse it/,
    );
  });
});

describe('first contact', () => {
  async function refused(token: string, trustBundle?: string): Promise<string> {
    moved = new MovedSidecar(controlPlane, token, trustBundle);
    await moved.sidecar.start();
    await eventually('it is told', () =>
      Promise.resolve(moved!.log.some((line) => line.includes('no certificate for'))),
    );
    expect(moved.ready).toBe(false);
    return moved.log.find((line) => line.includes('no certificate for'))!;
  }

  test('with a token that is not known is refused, and says so without the token', async () => {
    const line = await refused(`ojt_0123456789abcdef_${'x'.repeat(43)}`);
    expect(line).toContain('the join token is not known');
    expect(line).not.toContain('xxxx');
    expect(moved!.sidecar.stats.counter('identity.renewals', null, { result: 'refused' }).value).toBeGreaterThan(0);
  });

  test('with a control plane that is somebody else of the mesh gives it no token', async () => {
    controlPlane.close();
    controlPlane = new SecureControlPlane(orders);
    await controlPlane.start();
    const line = await refused(joinToken());
    expect(line).toContain(`the peer is ${orders.text}; wanted is uri:${controlPlaneId(trustDomain).text}`);
    expect(controlPlane.calls).toEqual([]);
  });

  test('with a control plane of another mesh gives it no token', async () => {
    const other = new SecureControlPlane();
    const line = await refused(joinToken(), other.trustBundle);
    other.close();
    expect(line).toMatch(/TLS handshake/);
    expect(controlPlane.calls).toEqual([]);
  });

  test('goes on by the trust bundle as it is now, when the mesh has made a new root meanwhile', async () => {
    const other = new SecureControlPlane();
    await refused(joinToken(), other.trustBundle);
    writeFileSync(other.trustBundle, trustBundlePem(controlPlane.authority.bundle()));
    await eventually('it is ready', () => Promise.resolve(moved!.ready));
    other.close();
  });
});
