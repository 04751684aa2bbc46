/**
 * How many leaf certificates one core signs in a second: reading and verifying the request, signing, and the issuing log, as the identity service does for each. Prints wall-clock and CPU-time rates
 * and the share of each step. Run: taskset -c 0 node bench/micro/sign-certificates.ts [seconds per step]
 */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CertificateAuthority } from '../../certs/authority/certificate-authority.ts';
import { issuingClock } from '../../certs/authority/issuing-clock.ts';
import { serviceAccountId } from '../../certs/spiffe/spiffe-id.ts';
import { verifySvid } from '../../certs/spiffe/verify-svid.ts';
import { readCertificate } from '../../certs/x509/certificate.ts';
import { buildCertificationRequest, readCertificationRequest } from '../../certs/x509/certification-request.ts';
import { publicKeyDer } from '../../certs/x509/public-key.ts';

const seconds = Number(process.argv[2] ?? 2);
const folder = mkdtempSync(join(tmpdir(), 'outrigger-sign-'));
const authority = new CertificateAuthority({
  folder: join(folder, 'authority'),
  trustDomain: 'cluster.local',
  clock: issuingClock(Date.now),
  operatorAuthority: null,
});
const id = serviceAccountId('cluster.local', 'shop', 'orders');
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const request = buildCertificationRequest(privateKey, publicKey);
const spki = publicKeyDer(publicKey);
const sign = (key: Uint8Array): Uint8Array =>
  authority.sign(key, id, { proof: 'certificate', peer: '10.0.0.1:1' }).chain[0]!;
const leaf = sign(spki);

function measure(name: string, step: () => unknown): void {
  for (let index = 0; index < 300; index++) step();
  const cpuBefore = process.cpuUsage();
  const startMs = performance.now();
  let count = 0;
  while (performance.now() - startMs < seconds * 1000) {
    for (let index = 0; index < 50; index++) step();
    count += 50;
  }
  const wallMs = performance.now() - startMs;
  const { user, system } = process.cpuUsage(cpuBefore);
  console.log(
    `${name.padEnd(34)} ${((count / wallMs) * 1000).toFixed(0).padStart(7)} /s   ${((count * 1e6) / (user + system)).toFixed(0).padStart(7)} /CPU s   ${((user + system) / count).toFixed(0).padStart(5)} µs`,
  );
}

measure('request read, verified, signed', () => sign(readCertificationRequest(request)));
measure('  reading and verifying a request', () => readCertificationRequest(request));
measure('  signing and logging', () => sign(spki));
measure('(building a request)', () => buildCertificationRequest(privateKey, publicKey));
measure('(reading a certificate)', () => readCertificate(leaf));
measure('(judging a peer’s certificate)', () =>
  verifySvid([readCertificate(leaf)], () => authority.bundle(), 'client', Date.now()),
);
console.log(`resident ${(process.memoryUsage.rss() / 1e6).toFixed(0)} MB`);
authority.close();
rmSync(folder, { recursive: true });
