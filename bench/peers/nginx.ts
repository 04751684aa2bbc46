/** nginx as a proxy, one worker, with the same routes: a header, prefixes, and a weighted choice of upstreams. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { peerPath } from '../../test/peers/peer-path.ts';
import { StartedProgram } from '../../test/peers/started-program.ts';
import { nginxPreamble, nginxTemporaryFolders } from '../backend/nginx-backend.ts';
import { onProxyCore } from '../measure/cores.ts';
import {
  firstClusterWeight,
  otherRoutePrefixes,
  type ProxyPeer,
  type ProxySetup,
  type RunningProxy,
} from '../proxy.ts';
import { timeToConnect, timeToOk } from './readiness.ts';

export const nginx: ProxyPeer = {
  id: 'nginx',
  notes:
    'counts no metrics per route or upstream; has no HTTP/2 client except for gRPC, so HTTP/2 goes upstream as HTTP/1.1',
  missing: () => (peerPath('nginx') === null ? 'node test/peers/install.ts nginx gets it' : null),
  refuses: ({ listenTls, policies, resilience }) => {
    if (policies > 0 || resilience) return 'it has no policies of that kind';
    return listenTls === null ? null : 'its configuration with TLS on the listening side is not written';
  },
  version: () =>
    /nginx\/(\S+)/.exec(spawnSync(peerPath('nginx')!, ['-v'], { encoding: 'utf8' }).stderr)?.[1] ?? 'unknown',
  start: startNginx,
};

async function startNginx(setup: ProxySetup): Promise<RunningProxy> {
  const home = join(setup.folder, `nginx-${setup.listenPort}`);
  mkdirSync(home);
  writeFileSync(join(home, 'nginx.conf'), configuration(setup, home));
  const startedMs = performance.now();
  const program = new StartedProgram(
    'nginx',
    onProxyCore([peerPath('nginx')!, '-p', home, '-c', join(home, 'nginx.conf'), '-e', join(home, 'error.log')]),
  );
  const readyMs =
    setup.downstream === 'http1'
      ? await timeToOk(program, setup.listenPort, '/', startedMs)
      : await timeToConnect(program, setup.listenPort, startedMs);
  return { program, readyMs };
}

function configuration(setup: ProxySetup, home: string): string {
  const grpc = setup.upstream === 'grpc';
  const pass = (upstream: string): string => {
    if (grpc) return `grpc_pass grpc://${upstream};`;
    return `proxy_pass ${setup.tls === null ? 'http' : 'https'}://${upstream};`;
  };
  const upstream = (name: string): string =>
    `  upstream ${name} { server 127.0.0.1:${setup.upstreamPort}; keepalive 1024; keepalive_requests 1000000000; keepalive_timeout 1h; }`;
  const listen = setup.downstream === 'http1' ? '' : ' http2';
  return `
${nginxPreamble(home)}
http {
${nginxTemporaryFolders(home)}
  access_log off;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  client_max_body_size 0;
  http2_recv_buffer_size 1m;
${['first', 'second', 'other'].map(upstream).join('\n')}
  split_clients "$request_id" $weighted { ${firstClusterWeight}% first; * second; }
  map $http_x_tenant $chosen { other other; default $weighted; }
  server {
    listen 127.0.0.1:${setup.listenPort}${listen} backlog=4096;
    ${setup.downstream === 'http1' ? '' : 'http2_max_concurrent_streams 1024; http2_body_preread_size 64k;'}
    ${grpc ? '' : 'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; proxy_request_buffering off; proxy_buffering on; proxy_max_temp_file_size 0;'}
${setup.tls === null ? '' : tlsLines(setup.tls)}
${otherRoutePrefixes(setup)
  .map((prefix) => `    location ${prefix} { ${pass('other')} }`)
  .join('\n')}
    location / { ${pass('$chosen')} }
  }
}
`;
}

function tlsLines(tls: NonNullable<ProxySetup['tls']>): string {
  return `    proxy_ssl_protocols TLSv1.3; proxy_ssl_certificate ${tls.certificateFile}; proxy_ssl_certificate_key ${tls.keyFile};
    proxy_ssl_trusted_certificate ${tls.caFile}; proxy_ssl_verify on; proxy_ssl_name ${tls.serverName}; proxy_ssl_server_name on; proxy_ssl_session_reuse on;`;
}
