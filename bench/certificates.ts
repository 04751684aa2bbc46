/** A certificate authority for one benchmark run, made by openssl: a certificate for the backend and one for the proxies. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { UpstreamTls } from './proxy.ts';

export interface Certificates {
  readonly backend: { readonly certificateFile: string; readonly keyFile: string; readonly caFile: string };
  readonly proxy: UpstreamTls;
  /** For both ends of a connection between two proxies. */
  readonly betweenProxies: UpstreamTls;
}

const backendName = 'backend.bench';
const proxyName = 'proxy.bench';

export function makeCertificates(folder: string): Certificates {
  const file = (name: string): string => join(folder, name);
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl([
    'req',
    '-x509',
    ...newKey,
    '-keyout',
    file('ca.key'),
    '-out',
    file('ca.pem'),
    '-days',
    '2',
    '-subj',
    '/CN=outrigger benchmark CA',
  ]);
  for (const [name, host] of [
    ['backend', backendName],
    ['proxy', proxyName],
  ] as const) {
    writeFileSync(file(`${name}.ext`), `subjectAltName=DNS:${host}\nextendedKeyUsage=serverAuth,clientAuth\n`);
    openssl([
      'req',
      '-new',
      ...newKey,
      '-keyout',
      file(`${name}.key`),
      '-out',
      file(`${name}.csr`),
      '-subj',
      `/CN=${host}`,
    ]);
    openssl([
      'x509',
      '-req',
      '-in',
      file(`${name}.csr`),
      '-CA',
      file('ca.pem'),
      '-CAkey',
      file('ca.key'),
      '-CAcreateserial',
      '-days',
      '2',
      '-extfile',
      file(`${name}.ext`),
      '-out',
      file(`${name}.pem`),
    ]);
  }
  return {
    backend: { certificateFile: file('backend.pem'), keyFile: file('backend.key'), caFile: file('ca.pem') },
    proxy: {
      caFile: file('ca.pem'),
      certificateFile: file('proxy.pem'),
      keyFile: file('proxy.key'),
      serverName: backendName,
    },
    betweenProxies: {
      caFile: file('ca.pem'),
      certificateFile: file('proxy.pem'),
      keyFile: file('proxy.key'),
      serverName: proxyName,
    },
  };
}

function openssl(args: readonly string[]): void {
  const result = spawnSync('openssl', args, { encoding: 'utf8' });
  if (result.error !== undefined) throw new Error(`openssl is needed for the TLS scenarios: ${result.error.message}`);
  if (result.status !== 0) throw new Error(`openssl ${args[0]} failed: ${result.stderr}`);
}
