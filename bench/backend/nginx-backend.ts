/** The backend of the raw speed scenarios: nginx answering 1 KiB from memory over HTTP/1.1, TLS 1.3 with client certificates, and HTTP/2. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts } from '../../test/peers/free-port.ts';
import { peerPath } from '../../test/peers/peer-path.ts';
import { StartedProgram, waitFor } from '../../test/peers/started-program.ts';
import type { Certificates } from '../certificates.ts';
import { onLoadCore } from '../measure/cores.ts';

export const answerBytes = 1024;

export interface NginxBackend {
  readonly http1Port: number;
  readonly tlsPort: number;
  readonly http2Port: number;
}

export async function startNginxBackend(folder: string, certificates: Certificates): Promise<NginxBackend> {
  const program = peerPath('nginx');
  if (program === null) throw new Error('nginx is needed as the backend; node test/peers/install.ts nginx gets it');
  const [http1Port, tlsPort, http2Port] = (await freePorts(3)) as [number, number, number];
  const answer = `default_type text/plain; return 200 "${'a'.repeat(answerBytes)}";`;
  const { certificateFile, keyFile, caFile } = certificates.backend;
  const home = join(folder, 'nginx-backend');
  mkdirSync(home);
  const configuration = `
${nginxPreamble(home)}
http {
${nginxTemporaryFolders(home)}
  access_log off;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  server { listen 127.0.0.1:${http1Port} backlog=4096; location / { ${answer} } }
  server { listen 127.0.0.1:${http2Port} http2 backlog=4096; http2_max_concurrent_streams 1024; location / { ${answer} } }
  server {
    listen 127.0.0.1:${tlsPort} ssl backlog=4096;
    ssl_protocols TLSv1.3;
    ssl_certificate ${certificateFile};
    ssl_certificate_key ${keyFile};
    ssl_client_certificate ${caFile};
    ssl_verify_client on;
    location / { ${answer} }
  }
}
`;
  writeFileSync(join(home, 'nginx.conf'), configuration);
  const started = new StartedProgram(
    'nginx backend',
    onLoadCore([program, '-p', home, '-c', join(home, 'nginx.conf'), '-e', join(home, 'error.log')]),
  );
  await waitFor('the nginx backend', 10_000, async () => {
    started.failIfEnded();
    return fetch(`http://127.0.0.1:${http1Port}/`).then(
      (response) => response.ok,
      () => false,
    );
  });
  return { http1Port, tlsPort, http2Port };
}

/** What both nginx configurations begin with: one worker, in the foreground, nothing outside its folder. */
export function nginxPreamble(home: string): string {
  // Started by root, workers would drop to a user that can't read the folder.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  return `daemon off; worker_processes 1; worker_rlimit_nofile 16384; ${user} pid ${home}/pid;\nerror_log ${home}/error.log crit;\nevents { worker_connections 8192; }`;
}

export function nginxTemporaryFolders(home: string): string {
  return ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `  ${kind}_temp_path ${home}/${kind};`)
    .join('\n');
}
