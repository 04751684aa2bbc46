/**
 * One bootstrap, run by Envoy and by our sidecar, with secrets from an agent that serves SDS as SPIRE does: who is let in, and what the service hears of its client in
 * x-forwarded-client-cert, is the same.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestCertificate } from '../../sidecar/transport/test/certificates.ts';
import { certificatePem, identity, otherRoot, root } from '../../sidecar/transport/test/identities.ts';
import { bundle, SpireAgent, svid } from '../integration/spire-agent.ts';
import { freePorts } from '../peers/free-port.ts';
import type { Json } from './envoy-resources.ts';
import { Stage } from './programs.ts';

const ordersId = 'spiffe://td/ns/shop/sa/orders';
const storefrontId = 'spiffe://td/ns/shop/sa/storefront';
const modes = ['SANITIZE', 'FORWARD_ONLY', 'APPEND_FORWARD', 'SANITIZE_SET', 'ALWAYS_FORWARD_ONLY'] as const;
const sides = ['envoy', 'outrigger'] as const;
type Side = (typeof sides)[number];

const clients: Readonly<Record<string, TestCertificate>> = {
  plain: identity(root, storefrontId),
  'with a subject': identity(root, storefrontId, { name: 'store;front, "A" +B\\' }),
  'with a subject beyond ASCII': identity(root, storefrontId, { name: 'Zoë' }),
  'with DNS names': identity(root, storefrontId, { dnsNames: ['storefront.shop', 'storefront'] }),
  'with another name': identity(root, 'spiffe://td/ns/shop/sa/payments'),
  'of another root': identity(otherRoot, storefrontId),
  expired: identity(root, storefrontId, { notAfterMs: 1_800_000_000_000 - 10 * 365 * 86_400_000 }),
};

const stage = new Stage();
let app: Server;
let agent: SpireAgent;
const ports = new Map<string, number>();

beforeAll(async () => {
  app = createServer((request, response) => {
    // Envoy makes one field of several; node:http joins those that we keep apart with a space more.
    const field = request.headersDistinct['x-forwarded-client-cert'];
    response.end(JSON.stringify(field?.join(',') ?? null));
  });
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  const socketPath = join(stage.folder, 'api.sock');
  agent = await SpireAgent.start(
    socketPath,
    svid('default', identity(root, ordersId)),
    bundle('ROOTCA', certificatePem(root)),
  );
  const free = await freePorts(sides.length * (modes.length + 1));
  for (const side of sides) {
    const admin = free.pop()!;
    for (const mode of modes) ports.set(`${side} ${mode}`, free.pop()!);
    const config = bootstrap(side, admin, socketPath);
    await (side === 'envoy' ? stage.envoy(config) : stage.sidecar(config));
  }
});

afterAll(async () => {
  await stage.stop();
  agent.stop();
  app.closeAllConnections();
  app.close();
});

function bootstrap(side: Side, admin: number, socketPath: string): Json {
  const tls = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext';
  const http = 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
  const sds = (name: string): Json => ({
    name,
    sds_config: {
      resource_api_version: 'V3',
      api_config_source: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'spire_agent' } }],
      },
    },
  });
  const address = (port: number): Json => ({ socket_address: { address: '127.0.0.1', port_value: port } });
  const common = {
    tls_certificate_sds_secret_configs: [sds('default')],
    combined_validation_context: {
      default_validation_context: {
        match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: storefrontId } }],
      },
      validation_context_sds_secret_config: sds('ROOTCA'),
    },
  };
  const filter = (mode: string): Json => ({
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': http,
      stat_prefix: 'in',
      forward_client_cert_details: mode,
      set_current_client_cert_details: { subject: true, uri: true, dns: true },
      route_config: {
        virtual_hosts: [
          { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'app' } }] },
        ],
      },
      http_filters: [
        {
          name: 'envoy.filters.http.router',
          typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
        },
      ],
    },
  });
  const hosts = (name: string, at: Json): Json => ({
    cluster_name: name,
    endpoints: [{ lb_endpoints: [{ endpoint: { address: at } }] }],
  });
  return {
    node: { id: side, cluster: 'shop/orders' },
    admin: { address: address(admin) },
    static_resources: {
      listeners: modes.map((mode) => ({
        name: mode,
        address: address(ports.get(`${side} ${mode}`)!),
        filter_chains: [
          {
            filters: [filter(mode)],
            transport_socket: {
              name: 'envoy.transport_sockets.tls',
              typed_config: { '@type': tls, require_client_certificate: true, common_tls_context: common },
            },
          },
        ],
      })),
      clusters: [
        {
          name: 'spire_agent',
          connect_timeout: '0.25s',
          http2_protocol_options: {},
          load_assignment: hosts('spire_agent', { pipe: { path: socketPath } }),
        },
        {
          name: 'app',
          connect_timeout: '1s',
          load_assignment: hosts('app', address((app.address() as AddressInfo).port)),
        },
      ],
    },
  };
}

/** What the service heard, or that the client was not let in. */
function ask(port: number, certificate: TestCertificate, fields: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect({
      host: '127.0.0.1',
      port,
      ca: certificatePem(root),
      cert: certificate.chainPem,
      key: certificate.keyPem,
      checkServerIdentity: () => undefined,
    });
    socket.on('secureConnect', () => socket.write(`GET / HTTP/1.1\r\nhost: a\r\n${fields}connection: close\r\n\r\n`));
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    socket.on('error', () => {});
    socket.on('close', () =>
      resolve(/"[^\r\n]*"|null/.exec(answer.split('\r\n\r\n').slice(1).join())?.[0] ?? 'not let in'),
    );
  });
}

const sent = {
  nothing: '',
  'one element': 'x-forwarded-client-cert: By=spiffe://td/a;Hash=1;Subject="CN=a"\r\n',
  'two fields': 'x-forwarded-client-cert: By=a;Hash=1\r\nx-forwarded-client-cert: By=b;Hash=2\r\n',
};

describe.each(modes)('%s', (mode) => {
  it.each(Object.keys(clients))('a client %s', async (client) => {
    for (const [what, fields] of Object.entries(sent)) {
      const [envoy, ours] = await Promise.all(
        sides.map((side) => ask(ports.get(`${side} ${mode}`)!, clients[client]!, fields)),
      );
      expect([what, ours]).toEqual([what, envoy]);
    }
  });
});
