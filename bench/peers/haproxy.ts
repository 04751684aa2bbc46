/** haproxy as a proxy, one thread, with the same routes: a header, prefixes, and a weighted choice of backends. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { peerPath } from '../../test/peers/peer-path.ts';
import { StartedProgram } from '../../test/peers/started-program.ts';
import { onProxyCore } from '../measure/cores.ts';
import {
  firstClusterWeight,
  otherRoutePrefixes,
  type ProxyPeer,
  type ProxySetup,
  type RunningProxy,
} from '../proxy.ts';
import { timeToConnect, timeToOk } from './readiness.ts';

export const haproxy: ProxyPeer = {
  id: 'haproxy',
  notes: 'counts metrics per frontend, backend and server, without histograms',
  missing: () => (peerPath('haproxy') === null ? 'node test/peers/install.ts haproxy gets it' : null),
  refuses: ({ listenTls, policies, resilience }) => {
    if (policies > 0 || resilience) return 'it has no policies of that kind';
    return listenTls === null ? null : 'its configuration with TLS on the listening side is not written';
  },
  version: () =>
    /version (\S+)/.exec(spawnSync(peerPath('haproxy')!, ['-v'], { encoding: 'utf8' }).stdout)?.[1] ?? 'unknown',
  start: startHaproxy,
};

async function startHaproxy(setup: ProxySetup): Promise<RunningProxy> {
  const file = join(setup.folder, `haproxy-${setup.listenPort}.cfg`);
  writeFileSync(file, configuration(setup));
  const startedMs = performance.now();
  const program = new StartedProgram('haproxy', onProxyCore([peerPath('haproxy')!, '-db', '-f', file]));
  const readyMs =
    setup.downstream === 'http1'
      ? await timeToOk(program, setup.listenPort, '/', startedMs)
      : await timeToConnect(program, setup.listenPort, startedMs);
  return { program, readyMs };
}

function configuration(setup: ProxySetup): string {
  const protocol = setup.upstream === 'http1' ? '' : ' proto h2';
  const { tls } = setup;
  const secure =
    tls === null
      ? ''
      : ` ssl verify required ca-file ${tls.caFile} crt ${pemFile(tls, setup.folder)} ssl-min-ver TLSv1.3 sni str(${tls.serverName}) verifyhost ${tls.serverName}`;
  const backend = (name: string): string =>
    `backend ${name}\n  http-reuse always\n  server one 127.0.0.1:${setup.upstreamPort}${protocol}${secure} pool-max-conn -1 pool-purge-delay 1h`;
  return `
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  option http-keep-alive
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout http-keep-alive 1h
frontend bench
  bind 127.0.0.1:${setup.listenPort}${setup.downstream === 'http1' ? '' : ' proto h2'}
  use_backend other if { req.hdr(x-tenant) -m str other }
${otherRoutePrefixes(setup)
  .map((prefix) => `  use_backend other if { path_beg ${prefix} }`)
  .join('\n')}
  use_backend second if { rand(100) ge ${firstClusterWeight} }
  default_backend first
${['first', 'second', 'other'].map(backend).join('\n')}
`;
}

/** haproxy wants certificate and key in one file. */
function pemFile(tls: NonNullable<ProxySetup['tls']>, folder: string): string {
  const file = join(folder, 'haproxy-client.pem');
  writeFileSync(file, readFileSync(tls.certificateFile, 'utf8') + readFileSync(tls.keyFile, 'utf8'));
  return file;
}
