/** What our TLS ports offer and refuse, by programs that are none of ours: openssl, sslyze, and go-spiffe, which also reads our certificates and trust bundles by the SPIFFE standards. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRoot } from '../../certs/authority/create-root.ts';
import { issuingClock } from '../../certs/authority/issuing-clock.ts';
import { trustBundleDocument, trustBundleFromPem } from '../../certs/spiffe/trust-bundle.ts';
import { writePem } from '../../certs/x509/pem.ts';

import { service } from './mesh-configuration.ts';
import { controlPlaneId, MeshWithIdentities, type ServiceProxy, spiffeId } from './mesh-with-identities.ts';
import { peer, Stage } from './programs.ts';

type Port = 'the mTLS port of a sidecar' | 'the TLS door of the control plane';
const portNames: readonly Port[] = ['the mTLS port of a sidecar', 'the TLS door of the control plane'];

const suites = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];

const stage = new Stage();
let mesh: MeshWithIdentities;
let orders: ServiceProxy;
let web: { readonly chainFile: string; readonly keyFile: string };

beforeAll(async () => {
  const app = await stage.backend('app');
  mesh = await MeshWithIdentities.start(stage, [service('orders', [])]);
  orders = await mesh.sidecar('orders', app.httpPort);
  web = await mesh.certificate('web');
}, 60_000);
afterAll(async () => {
  mesh.close();
  await stage.stop();
});

const portOf = (name: Port): number => (name === 'the mTLS port of a sidecar' ? orders.inbound : mesh.tlsPort);

interface Ended {
  readonly how: string;
  readonly output: string;
}

/** Runs a program to its end; all of its output. */
async function run(name: string, command: readonly string[]): Promise<Ended> {
  const program = stage.start(name, command);
  const timer = setTimeout(() => program.signal('SIGKILL'), 60_000);
  const how = await program.exited;
  clearTimeout(timer);
  await program.logged;
  return { how, output: program.output };
}

/** Does the handshake, asks for `/`, and waits for the peer to end it. */
function openssl(port: number, ...flags: readonly string[]): Promise<Ended> {
  const request = "printf 'GET / HTTP/1.1\\r\\nhost: orders.shop\\r\\nconnection: close\\r\\n\\r\\n'";
  const client = `openssl s_client -connect 127.0.0.1:${port} -brief -ign_eof -servername orders.shop "$@"`;
  return run('openssl', ['sh', '-c', `${request} | timeout 10 ${client}`, 'sh', ...flags]);
}

interface Scan {
  readonly connectivity_result: { readonly client_auth_requirement: string };
  readonly scan_result: Readonly<
    Record<string, { readonly status: string; readonly result: Readonly<Record<string, unknown>> }>
  >;
}

const scans = [
  ...['sslv2', 'sslv3', 'tlsv1', 'tlsv1_1', 'tlsv1_2', 'tlsv1_3', 'certinfo', 'compression', 'early_data'],
  ...['elliptic_curves', 'fallback', 'heartbleed', 'openssl_ccs', 'reneg', 'robot'],
];

async function sslyze(port: number, ...flags: readonly string[]): Promise<{ scan: Scan; output: string }> {
  const file = join(stage.folder, `sslyze-${port}.json`);
  const { output } = await run('sslyze', [
    ...[peer('sslyze'), ...scans.map((scan) => `--${scan}`), '--json_out', file, ...flags],
    `127.0.0.1:${port}`,
  ]);
  const { server_scan_results } = JSON.parse(readFileSync(file, 'utf8')) as { readonly server_scan_results: Scan[] };
  return { scan: server_scan_results[0]!, output };
}

describe.each(portNames)('%s', (name) => {
  it('speaks TLS 1.3 and nothing else, with nothing weak (sslyze)', async () => {
    const own = ['--cert', web.chainFile, '--key', web.keyFile];
    const { scan, output } = await sslyze(portOf(name), '--mozilla_config', 'disable', ...own);
    const results = scan.scan_result;
    const names = Object.keys(results).filter((each) => results[each]!.status !== 'NOT_SCHEDULED');
    expect(names).toHaveLength(scans.length);
    expect(
      names.filter((each) => results[each]!.status !== 'COMPLETED'),
      output,
    ).toEqual([]);
    const result = (of: string): Readonly<Record<string, unknown>> => results[of]!.result;
    for (const version of ['ssl_2_0', 'ssl_3_0', 'tls_1_0', 'tls_1_1', 'tls_1_2'])
      expect([version, result(`${version}_cipher_suites`)]).toMatchObject([
        version,
        { is_tls_version_supported: false, accepted_cipher_suites: [] },
      ]);
    const accepted = result('tls_1_3_cipher_suites')['accepted_cipher_suites'] as ReadonlyArray<{
      readonly cipher_suite: { readonly name: string };
    }>;
    expect(accepted.map(({ cipher_suite }) => cipher_suite.name).toSorted()).toEqual(suites);
    expect(result('tls_compression')).toEqual({ supports_compression: false });
    expect(result('tls_1_3_early_data')).toEqual({ supports_early_data: false });
    expect(result('heartbleed')).toEqual({ is_vulnerable_to_heartbleed: false });
    expect(result('openssl_ccs_injection')).toEqual({ is_vulnerable_to_ccs_injection: false });
    expect(result('robot')['robot_result']).toMatch(/^NOT_VULNERABLE/);
    expect(result('session_renegotiation')['is_vulnerable_to_client_renegotiation_dos']).toBe(false);
    const curves = result('elliptic_curves')['supported_curves'] as ReadonlyArray<{ readonly name: string }>;
    // sslyze does not know X25519MLKEM768 yet.
    expect(curves.map((curve) => curve.name).toSorted()).toEqual(['X25519', 'secp256r1', 'secp384r1']);
  });

  it('agrees with Mozilla’s modern configuration, but that no public authority knows its certificates (sslyze)', async () => {
    const { output } = await sslyze(portOf(name), '--mozilla_config', 'modern', '--ems');
    const complaints = [...output.matchAll(/^ {8}\* (\w+): /gm)].map((match) => match[1]);
    expect(complaints, output).toEqual(['certificate_path_validation']);
  });

  it('refuses TLS 1.2 in the handshake (openssl)', async () => {
    const { how, output } = await openssl(portOf(name), '-tls1_2');
    expect(how).toBe('exit code 1');
    expect(output).toContain('tlsv1 alert protocol version');
  });
});

describe('the mTLS port of a sidecar', () => {
  const trusting = (): string[] => ['-CAfile', mesh.trustBundle, '-verify_return_error'];
  const asWeb = (): string[] => ['-cert', web.chainFile, '-key', web.keyFile];

  it('answers who has a certificate of the mesh (openssl)', async () => {
    const { how, output } = await openssl(orders.inbound, ...trusting(), ...asWeb());
    expect(how, output).toBe('exit code 0');
    expect(output).toContain('Verification: OK');
    expect(output).toContain('Protocol version: TLSv1.3');
    expect(output).toContain('HTTP/1.1 200 OK');
    expect(output).toContain(`URI=${spiffeId('web')}`);
  });

  it('refuses who has none, or one of another authority, in the handshake: no byte of HTTP comes back (openssl)', async () => {
    const none = await openssl(orders.inbound, ...trusting());
    expect(none.how).toBe('exit code 1');
    expect(none.output).toContain('tlsv13 alert certificate required');
    expect(none.output).not.toContain('HTTP/1.1');
    const [keyFile, chainFile] = [join(stage.folder, 'stranger.key'), join(stage.folder, 'stranger.pem')];
    const made = await run('openssl', [
      ...['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/O=x'],
      ...['-addext', `subjectAltName=URI:${spiffeId('web')}`, '-keyout', keyFile, '-out', chainFile],
    ]);
    expect(made.how, made.output).toBe('exit code 0');
    // Node sends no alert for a chain that it does not trust: it hangs up.
    const stranger = await openssl(orders.inbound, ...trusting(), '-cert', chainFile, '-key', keyFile);
    expect(stranger.output).not.toContain('HTTP/1.1');
    const metrics = await orders.proxy.admin('/stats/prometheus');
    for (const reason of ['no-certificate', 'untrusted'])
      expect(metrics).toMatch(
        new RegExp(
          `^outrigger_tls_peers_refused_total\\{[^}]*side="downstream"[^}]*reason="${reason}"[^}]*\\} [1-9]`,
          'm',
        ),
      );
  });

  it('says that it wants a certificate (sslyze)', async () => {
    const { scan } = await sslyze(orders.inbound, '--mozilla_config', 'disable');
    expect(scan.connectivity_result.client_auth_requirement).toBe('REQUIRED');
  });
});

describe('go-spiffe', () => {
  const spiffePeer = (...flags: readonly string[]): Promise<Ended> =>
    run('spiffe-peer', [peer('spiffe-peer'), '--trust-domain', 'cluster.local', ...flags]);

  /** The certificates that a port shows. */
  function shownAt(port: number, name: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'] }, () => {
        const file = join(stage.folder, `${name}.shown.pem`);
        writeFileSync(file, writePem('CERTIFICATE', socket.getPeerCertificate().raw));
        socket.destroy();
        resolve(file);
      });
      socket.on('error', reject);
    });
  }

  it.each([
    ['of a workload', async () => web.chainFile, spiffeId('web')],
    ['that a sidecar shows', () => shownAt(orders.inbound, 'orders'), spiffeId('orders')],
    ['of the control plane', () => shownAt(mesh.tlsPort, 'control-plane'), controlPlaneId],
  ])('verifies the certificate %s by our bundle, PEM and SPIFFE document, and reads its ID', async (_, chain, id) => {
    const chainFile = await chain();
    const pem = await spiffePeer('--bundle', mesh.trustBundle, '--chain', chainFile);
    expect(pem.how, pem.output).toBe('exit code 0');
    expect(JSON.parse(pem.output)).toMatchObject({ id, roots: 1 });
    const { roots, trustDomain } = trustBundleFromPem('cluster.local', readFileSync(mesh.trustBundle, 'utf8'));
    const document = stage.file(
      'bundle.json',
      trustBundleDocument({ roots, trustDomain, sequence: 7, refreshHintSeconds: 60 }),
    );
    const json = await spiffePeer('--bundle', document, '--chain', chainFile);
    expect(json.how, json.output).toBe('exit code 0');
    expect(JSON.parse(json.output)).toMatchObject({ id, roots: 1, sequence: 7 });
  });

  it('calls a sidecar by mTLS with a certificate of ours, and knows whom it calls', async () => {
    const own = ['--bundle', mesh.trustBundle, '--chain', web.chainFile, '--key', web.keyFile];
    const call = (expected: string): Promise<Ended> =>
      spiffePeer(...own, '--connect', `127.0.0.1:${orders.inbound}`, '--expect', expected);
    const { how, output } = await call(spiffeId('orders'));
    expect(how, output).toBe('exit code 0');
    expect(JSON.parse(output)).toMatchObject({ peer: spiffeId('orders'), version: 'TLS 1.3', status: 200 });
    expect((await call(spiffeId('payments'))).output).toContain(`unexpected ID "${spiffeId('orders')}"`);
  });

  it('refuses our certificates by the bundle of another mesh', async () => {
    const { roots } = createRoot('cluster.local', issuingClock(Date.now));
    const other = stage.file('other.pem', writePem('CERTIFICATE', ...roots.map(({ der }) => der)));
    const { how, output } = await spiffePeer('--bundle', other, '--chain', web.chainFile);
    expect([how, output]).toEqual(['exit code 1', expect.stringMatching(/^spiffe-peer: .*unknown authority/)]);
  });
});
