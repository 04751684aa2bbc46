/** Secrets from SPIRE's agent: the bootstrap as SPIRE's tutorial for Envoy has it, over a Unix socket, to a gRPC server that is not ours. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../sidecar/runtime/clock.ts';
import { Log } from '../../sidecar/runtime/log.ts';
import { Sidecar } from '../../sidecar/server.ts';
import type { TestCertificate } from '../../sidecar/transport/test/certificates.ts';
import { certificatePem, identity, otherRoot, root } from '../../sidecar/transport/test/identities.ts';
import { parseBootstrap } from '../../sidecar/xds/bootstrap-file.ts';
import { allBundles, bundle, SpireAgent, svid } from './spire-agent.ts';

const backendId = 'spiffe://td/ns/default/sa/backend';
const frontendId = 'spiffe://td/ns/default/sa/frontend';
const frontend = identity(root, frontendId);

let folder: string;
let socketPath: string;
let app: Server;
let agent: SpireAgent | null = null;
let sidecar: Sidecar | null = null;
let stopped: Promise<void>;
let lines: string[];
let ready: Promise<void>;
const open: TLSSocket[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'spire-'));
  socketPath = join(folder, 'api.sock');
  lines = [];
  app = createServer((request, response) => response.end(String(request.headers['x-forwarded-client-cert'])));
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  for (const socket of open.splice(0)) socket.destroy();
  sidecar?.quit();
  if (sidecar !== null) await stopped;
  sidecar = null;
  agent?.stop();
  agent = null;
  app.closeAllConnections();
  app.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Names of enums in lower case, a mapping where a list is wanted, no cluster type, the older form of names: as people write them for Envoy. */
function bootstrapText(certificate: string, trust: string, timeout = '15s', cluster = 'spire_agent'): string {
  const source = `{ api_type: grpc, transport_api_version: V3, grpc_services: { envoy_grpc: { cluster_name: ${cluster} } } }`;
  const sds = (name: string): string =>
    ` { name: "${name}", sds_config: { resource_api_version: V3, initial_fetch_timeout: ${timeout}, api_config_source: ${source} } }`;
  return `
node: { id: backend, cluster: demo }
static_resources:
  listeners:
  - name: local_service
    address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          forward_client_cert_details: sanitize_set
          set_current_client_cert_details: { uri: true }
          codec_type: auto
          stat_prefix: ingress_http
          route_config: { virtual_hosts: [{ name: all, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: local } }] }] }
          http_filters: [{ name: envoy.filters.http.router, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } }]
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          require_client_certificate: true
          common_tls_context:
            tls_certificate_sds_secret_configs:${sds(certificate)}
            combined_validation_context:
              default_validation_context:
                match_subject_alt_names:
                - exact: "${frontendId}"
              validation_context_sds_secret_config:${sds(trust)}
            tls_params:
              ecdh_curves:
              - X25519:P-256:P-521:P-384
  clusters:
  - name: spire_agent
    connect_timeout: 0.25s
    http2_protocol_options: {}
    load_assignment:	
      cluster_name: spire_agent
      endpoints:	
      - lb_endpoints:	
        - endpoint:	
            address:	
              pipe:	
                path: ${socketPath}
  - name: local
    connect_timeout: 1s
    type: strict_dns
    load_assignment: { cluster_name: local, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${(app.address() as AddressInfo).port} } } } }] }] }
`;
}

async function run(text: string): Promise<void> {
  const parsed = await parseBootstrap(text, 'envoy.yaml', systemClock.wallMs());
  if (!parsed.ok) throw new Error(parsed.faults.join('\n'));
  const warm = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  sidecar = new Sidecar({
    bootstrap: parsed.bootstrap,
    probeAddress: null,
    drainTimeMs: 0,
    clock: systemClock,
    random: () => 0,
    log: new Log(systemClock, 'info', true, (line) => lines.push(line)),
    commandLine: {},
    onReady: warm.resolve,
    onStopped: end.resolve,
  });
  stopped = end.promise;
  ready = warm.promise;
  return sidecar.start();
}

/** One request with that certificate: what the service got as x-forwarded-client-cert, and whom the sidecar showed; or that there was no answer. */
function ask(certificate: TestCertificate, ca = certificatePem(root)): Promise<{ answer: string; shown: string }> {
  return new Promise((resolve) => {
    let answer = '';
    let shown = '';
    const socket = connect({
      host: '127.0.0.1',
      port: sidecar!.listeners.boundPort('local_service')!,
      ca,
      cert: certificate.chainPem,
      key: certificate.keyPem,
      checkServerIdentity: () => undefined,
    });
    open.push(socket);
    socket.on('secureConnect', () => {
      shown = socket.getPeerX509Certificate()!.subjectAltName!;
      socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
    });
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    socket.on('error', () => {});
    socket.on('close', () => resolve({ answer: answer.split('\r\n\r\n')[1] ?? '', shown }));
  });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

describe('secrets from SPIRE’s agent', () => {
  it('come by name over its Unix socket, and the listener opens once they are here', async () => {
    agent = await SpireAgent.start(
      socketPath,
      svid(backendId, identity(root, backendId)),
      bundle('spiffe://td', certificatePem(root)),
    );
    await run(bootstrapText(backendId, 'spiffe://td'));
    await ready;
    const { answer, shown } = await ask(frontend);
    expect(shown).toBe(`URI:${backendId}`);
    expect(answer).toMatch(new RegExp(`^By=${backendId};Hash=[0-9a-f]{64};URI=${frontendId}$`, 'm'));
    expect((await ask(identity(root, 'spiffe://td/ns/default/sa/other'))).answer).toBe('');
    // One stream for each secret; both told who they are, and answered with an ACK.
    await until(() => agent!.requests.length === 4);
    const { requests } = agent;
    expect(requests.map(({ resourceNames }) => resourceNames.length)).toEqual([1, 1, 1, 1]);
    expect(new Set(requests.map(({ resourceNames }) => resourceNames[0]))).toEqual(new Set([backendId, 'spiffe://td']));
    expect(requests.filter(({ node }) => node?.id === 'backend')).toHaveLength(2);
    expect(
      requests.filter(({ versionInfo, responseNonce }) => versionInfo === '1' && responseNonce !== ''),
    ).toHaveLength(2);
    expect(JSON.stringify(sidecar!.certificates())).toContain(backendId);
  });

  it('are renewed while connections go on, under the names "default" and "ROOTCA" too', async () => {
    agent = await SpireAgent.start(
      socketPath,
      svid('default', identity(root, backendId)),
      bundle('ROOTCA', certificatePem(root)),
    );
    await run(bootstrapText('default', 'ROOTCA'));
    await ready;
    expect((await ask(frontend)).shown).toBe(`URI:${backendId}`);
    const renewed = 'spiffe://td/ns/default/sa/renewed';
    agent.update(svid('default', identity(root, renewed)), bundle('ROOTCA', certificatePem(root, otherRoot)));
    await until(() => agent!.requests.length === 6);
    expect((await ask(frontend)).shown).toBe(`URI:${renewed}`);
    expect((await ask(identity(otherRoot, frontendId))).answer).not.toBe('');
  });

  it('have each trust domain by its own roots under "ALL"', async () => {
    agent = await SpireAgent.start(
      socketPath,
      svid('default', identity(root, backendId)),
      allBundles('ALL', { td: certificatePem(root), other: certificatePem(otherRoot) }),
    );
    await run(bootstrapText('default', 'ALL'));
    await ready;
    expect((await ask(frontend)).answer).not.toBe('');
    expect((await ask(identity(otherRoot, frontendId))).answer).toBe('');
  });

  it('that cannot be used are refused, and the last good one stays', async () => {
    const good = identity(root, backendId);
    agent = await SpireAgent.start(socketPath, svid('default', good), bundle('ROOTCA', certificatePem(root)));
    await run(bootstrapText('default', 'ROOTCA'));
    await ready;
    agent.update(svid('default', { chainPem: good.chainPem, keyPem: 'KEYTEXT' }));
    await until(() => agent!.requests.some(({ errorDetail }) => errorDetail !== undefined));
    const nack = agent.requests.find(({ errorDetail }) => errorDetail !== undefined)!;
    expect(nack.errorDetail!.message).toContain('tls_certificate.private_key: the private key is not PEM text');
    expect(nack.versionInfo).toBe('1');
    expect((await ask(frontend)).shown).toBe(`URI:${backendId}`);
    expect(lines.join()).not.toContain('KEYTEXT');
  });

  it('that the workload may not have hold nothing up for longer than the initial fetch timeout; connections are reset meanwhile', async () => {
    agent = await SpireAgent.start(socketPath, bundle('ROOTCA', certificatePem(root)));
    const started = run(bootstrapText('default', 'ROOTCA', '0.2s'));
    await until(() => lines.some((line) => line.includes('not authorized')));
    await started;
    await ready;
    expect((await ask(frontend)).shown).toBe('');
    expect(lines.join()).toContain('did not come within 0.2 s');
    agent.update(svid('default', identity(root, backendId)));
    await until(() => sidecar!.secrets.get([...sidecar!.secrets.all()].at(-1)!.key)?.name === 'default');
    expect((await ask(frontend)).shown).toBe(`URI:${backendId}`);
  });

  it('come when the agent does, and survive its restart', async () => {
    const started = run(bootstrapText('default', 'ROOTCA'));
    await until(() => lines.some((line) => line.includes('there is no such socket')));
    const secrets = [svid('default', identity(root, backendId)), bundle('ROOTCA', certificatePem(root))] as const;
    agent = await SpireAgent.start(socketPath, ...secrets);
    await started;
    await ready;
    expect((await ask(frontend)).shown).toBe(`URI:${backendId}`);
    agent.stop();
    expect((await ask(frontend)).shown).toBe(`URI:${backendId}`);
    const renewed = 'spiffe://td/ns/default/sa/renewed';
    agent = await SpireAgent.start(socketPath, svid('default', identity(root, renewed)), secrets[1]);
    await until(() => agent!.requests.length === 4);
    expect((await ask(frontend)).shown).toBe(`URI:${renewed}`);
  });

  it('need a static cluster that speaks HTTP/2', async () => {
    await expect(run(bootstrapText('default', 'ROOTCA', '1s', 'local'))).rejects.toThrow('does not speak HTTP/2');
    await expect(run(bootstrapText('default', 'ROOTCA', '1s', 'nowhere'))).rejects.toThrow(
      '"nowhere" is not one of the static clusters',
    );
  });
});
