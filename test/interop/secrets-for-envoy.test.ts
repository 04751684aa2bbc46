/** A real Envoy that gets its certificate and its roots from our control plane by SDS, through the TLS door and by a join token: who it is then, whom it lets in, and that a root rotation costs it no request. */
import { type ConnectionOptions, connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writePem } from '../../certs/x509/pem.ts';
import { type Held, MeshDoors } from '../../control-plane/door/mesh-doors.test-data.ts';
import { freePorts } from '../peers/free-port.ts';
import { waitFor } from '../peers/started-program.ts';
import type { Json } from './envoy-resources.ts';
import { type RunningProxy, Stage } from './programs.ts';

const typed = (name: string): string => `type.googleapis.com/envoy.extensions.${name}`;
const fromAds = { ads: {}, resource_api_version: 'V3' };

function bootstrap(doors: MeshDoors, token: string, adminPort: number, port: number): Json {
  return {
    node: { id: 'envoy-1', cluster: 'shop/orders' },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: adminPort } } },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        grpc_services: [
          {
            envoy_grpc: { cluster_name: 'control-plane' },
            initial_metadata: [{ key: 'authorization', value: `Bearer ${token}` }],
          },
        ],
      },
    },
    static_resources: {
      clusters: [
        {
          name: 'control-plane',
          type: 'STATIC',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': typed('upstreams.http.v3.HttpProtocolOptions'),
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          transport_socket: {
            name: 'envoy.transport_sockets.tls',
            typed_config: {
              '@type': typed('transport_sockets.tls.v3.UpstreamTlsContext'),
              sni: 'control-plane.outrigger',
              common_tls_context: {
                tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
                alpn_protocols: ['h2'],
                validation_context: {
                  trusted_ca: { filename: `${doors.dataDir}/trust-bundle.pem` },
                  match_typed_subject_alt_names: [
                    {
                      san_type: 'URI',
                      matcher: { exact: 'spiffe://cluster.local/ns/outrigger/sa/control-plane' },
                    },
                  ],
                },
              },
            },
          },
          load_assignment: {
            cluster_name: 'control-plane',
            endpoints: [
              {
                lb_endpoints: [
                  {
                    endpoint: {
                      address: { socket_address: { address: '127.0.0.1', port_value: doors.plane.tlsPort! } },
                    },
                  },
                ],
              },
            ],
          },
        },
      ],
      listeners: [
        {
          name: 'tls',
          address: { socket_address: { address: '127.0.0.1', port_value: port } },
          filter_chains: [
            {
              transport_socket: {
                name: 'envoy.transport_sockets.tls',
                typed_config: {
                  '@type': typed('transport_sockets.tls.v3.DownstreamTlsContext'),
                  require_client_certificate: true,
                  common_tls_context: {
                    tls_certificate_sds_secret_configs: [{ name: 'default', sds_config: fromAds }],
                    validation_context_sds_secret_config: { name: 'ROOTCA', sds_config: fromAds },
                  },
                },
              },
              filters: [
                {
                  name: 'envoy.filters.network.http_connection_manager',
                  typed_config: {
                    '@type': typed('filters.network.http_connection_manager.v3.HttpConnectionManager'),
                    stat_prefix: 'tls',
                    route_config: {
                      virtual_hosts: [
                        {
                          name: 'all',
                          domains: ['*'],
                          routes: [{ match: { prefix: '/' }, direct_response: { status: 200 } }],
                        },
                      ],
                    },
                    http_filters: [
                      {
                        name: 'envoy.filters.http.router',
                        typed_config: { '@type': typed('filters.http.router.v3.Router') },
                      },
                    ],
                  },
                },
              ],
            },
          ],
        },
      ],
    },
  } as Json;
}

/** `200 URI:… SERIAL` of a request with this certificate; rejects when there is no answer. */
function request(
  port: number,
  held: Held,
  roots: string,
): Promise<{ readonly status: string; readonly uri: string; readonly serial: string }> {
  const options: ConnectionOptions = {
    port,
    host: '127.0.0.1',
    ca: roots,
    cert: writePem('CERTIFICATE', ...held.chain),
    key: held.key.export({ format: 'pem', type: 'pkcs8' }),
    checkServerIdentity: () => undefined,
  };
  return new Promise((resolve, reject) => {
    const socket = connect(options, () => socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'));
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const { subjectaltname = '', serialNumber } = socket.getPeerCertificate();
      if (!text.includes('\r\n')) return;
      resolve({ status: text.split(' ')[1]!, uri: subjectaltname, serial: serialNumber });
      socket.destroy();
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('closed without an answer')));
  });
}

describe('Envoy with secrets of our control plane', () => {
  const stage = new Stage();
  let doors: MeshDoors;
  let strangers: MeshDoors;
  let envoy: RunningProxy;
  let port = 0;

  beforeAll(async () => {
    doors = await MeshDoors.start({ certificateLifetimeMs: 10_000 });
    strangers = await MeshDoors.start();
    const [adminPort, listenPort] = (await freePorts(2)) as [number, number];
    port = listenPort;
    const made = await doors.admin('POST', '/api/v1/tokens', { services: ['shop/orders'] });
    const { token } = JSON.parse(made.text) as { readonly token: string };
    envoy = await stage.envoy(bootstrap(doors, token, adminPort, port));
  });
  afterAll(async () => {
    await stage.stop();
    await doors.stop();
    await strangers.stop();
  });

  it('is who its stream is, lets the mesh in, and nobody else', async () => {
    const roots = doors.read('trust-bundle.pem');
    const caller = await doors.certificate('spiffe://cluster.local/ns/shop/sa/web');
    expect(await request(port, caller, roots)).toMatchObject({
      status: '200',
      uri: 'URI:spiffe://cluster.local/ns/shop/sa/orders',
    });
    // The same name of another authority: the handshake is over before it is refused (TLS 1.3).
    await expect(
      request(port, await strangers.certificate('spiffe://cluster.local/ns/shop/sa/web'), roots),
    ).rejects.toThrow(/alert|closed|reset/i);
    expect(doors.logged).not.toContain('refused Secret');
  });

  it('renews, and goes through a root rotation without a failed request', async () => {
    const serials = new Set<string>();
    const failures: string[] = [];
    await doors.admin('POST', '/api/v1/authority/rotate', {});
    const rotated = async (): Promise<boolean> => {
      const { text } = await doors.admin('GET', '/api/v1/authority');
      return (JSON.parse(text) as { readonly phase: string }).phase === 'steady';
    };
    let caller: Held | null = null;
    let renewedMs = 0;
    await waitFor('the root rotation to end', 60_000, async () => {
      try {
        // As a caller that follows the bundle, and renews: now and then, as its proofs and connections are counted.
        if (caller === null || performance.now() - renewedMs > 1_000) {
          caller = await doors.certificate('spiffe://cluster.local/ns/shop/sa/web');
          renewedMs = performance.now();
        }
        serials.add((await request(port, caller, doors.read('trust-bundle.pem'))).serial);
      } catch (error) {
        failures.push((error as Error).message);
      }
      return rotated();
    });
    expect(failures).toEqual([]);
    expect(serials.size).toBeGreaterThan(2);
    const stats = await envoy.admin('/stats?filter=sds');
    expect(stats).toMatch(/default\.update_success: [2-9]/);
    expect(doors.logged).not.toContain('refused Secret');
    expect(await envoy.admin('/config_dump?include_eds')).not.toContain('PRIVATE KEY');
  });
});
