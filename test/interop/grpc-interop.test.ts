/** gRPC's own interop client and server, through two sidecars: client → sidecar → sidecar → server, HTTP/2 all the way. */
import { spawnSync } from 'node:child_process';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../peers/free-port.ts';
import { waitFor } from '../peers/started-program.ts';
import { type Json, listener, routeConfiguration, staticBootstrap, staticCluster } from './envoy-resources.ts';
import { peer, Stage } from './programs.ts';

/** Every case of the client that needs neither TLS nor credentials, but for pick_first_unary: it wants a server id, which this server does not send. */
const cases = [
  'empty_unary',
  'large_unary',
  'client_streaming',
  'server_streaming',
  'ping_pong',
  'empty_stream',
  'timeout_on_sleeping_server',
  'cancel_after_begin',
  'cancel_after_first_response',
  'status_code_and_message',
  'special_status_message',
  'custom_metadata',
  'unimplemented_method',
  'unimplemented_service',
  'rpc_soak',
  'channel_soak',
  'orca_per_rpc',
  'orca_oob',
];

const flags: Readonly<Record<string, readonly string[]>> = {
  rpc_soak: ['--soak_iterations=40', '--soak_overall_timeout_seconds=60'],
  channel_soak: ['--soak_iterations=20', '--soak_overall_timeout_seconds=60'],
  // The client checks the load reports through a balancing policy that it only has when asked for it.
  orca_per_rpc: ['--service_config_json={"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}'],
  orca_oob: ['--service_config_json={"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}'],
};

describe('gRPC interop client and server through two sidecars', () => {
  const stage = new Stage();
  let port: number;

  beforeAll(async () => {
    const [serverPort, innerPort, innerAdmin, outerPort, outerAdmin] = (await freePorts(5)) as [
      number,
      number,
      number,
      number,
      number,
    ];
    port = outerPort;
    stage.start('grpc-interop-server', [peer('grpc-interop-server'), `--port=${serverPort}`]);
    await waitFor('the interop server', 10_000, () => accepts(serverPort));
    await stage.sidecar(hop(innerPort, innerAdmin, serverPort), { name: 'sidecar-inbound' });
    await stage.sidecar(hop(outerPort, outerAdmin, innerPort), { name: 'sidecar-outbound' });
  });
  afterAll(() => stage.stop());

  it.each(cases)('%s', (name) => {
    const run = spawnSync(
      peer('grpc-interop-client'),
      [
        '--server_host=127.0.0.1',
        `--server_port=${port}`,
        '--use_tls=false',
        `--test_case=${name}`,
        ...(flags[name] ?? []),
      ],
      {
        encoding: 'utf8',
        timeout: 90_000,
      },
    );
    expect(run.status, `${run.stdout}${run.stderr}`.slice(-2000)).toBe(0);
  });
});

function hop(listenPort: number, adminPort: number, nextPort: number): Json {
  // As a mesh would set it: gRPC has deadlines of its own, so the route has no timeout.
  const routes = routeConfiguration('all', [{ match: { prefix: '/' }, route: { cluster: 'next', timeout: '0s' } }]);
  return staticBootstrap({
    adminPort,
    listeners: [listener({ name: 'grpc', port: listenPort }, routes)],
    clusters: [staticCluster({ name: 'next', http2: true }, [nextPort])],
  });
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
