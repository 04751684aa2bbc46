/** The flags of `--store etcd`, as the control plane takes them. */
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { EtcdStoreOptions } from '../control-plane/ratelimit/shared/open-etcd-counters.ts';
import { formatHostPort, parseHostPort } from './host-port.ts';
import { readUserFile } from './read-file.ts';
import { UserError } from './user-error.ts';

export interface EtcdFlags {
  readonly store: string;
  readonly etcd?: readonly string[];
  readonly etcdCa?: string;
  readonly etcdCert?: string;
  readonly etcdKey?: string;
  /** Default: `/outrigger/`. */
  readonly etcdPrefix?: string;
}

const maxMembers = 16;

/** Null: `--store embedded`. Throws a UserError that names the flag. */
export function etcdOptions(flags: EtcdFlags): EtcdStoreOptions | null {
  const { store, etcd, etcdCa, etcdCert, etcdKey, etcdPrefix } = flags;
  if (store === 'embedded') {
    const given = [etcd, etcdCa, etcdCert, etcdKey, etcdPrefix].findIndex((value) => value !== undefined);
    if (given >= 0)
      throw new UserError(
        `${['--etcd', '--etcd-ca', '--etcd-cert', '--etcd-key', '--etcd-prefix'][given]!} goes with --store etcd`,
        2,
      );
    return null;
  }
  if (store !== 'etcd') throw new UserError(`--store: ${JSON.stringify(store)} is not one of embedded, etcd`, 2);
  if (etcd === undefined)
    throw new UserError('--store etcd takes --etcd HOST:PORT, where etcd takes clients (2379, by its default)', 2);
  if (etcd.length > maxMembers) throw new UserError(`--etcd: more than ${maxMembers} members`, 2);
  if ((etcdCert === undefined) !== (etcdKey === undefined))
    throw new UserError('--etcd-cert and --etcd-key go together: our certificate, and its key', 2);
  if (etcdCert !== undefined && etcdCa === undefined)
    throw new UserError("--etcd-cert goes with --etcd-ca, etcd's roots; 'system' for the system's", 2);
  const prefix = etcdPrefix ?? '/outrigger/';
  if (!/^[\x21-\x7e]{0,200}\/$/.test(prefix))
    throw new UserError(
      `--etcd-prefix: ${JSON.stringify(prefix)} does not end in / or has characters beside printable ASCII; write it as /outrigger/`,
      2,
    );
  const members = etcd.map((text) => parseHostPort('--etcd', text));
  return {
    members: members.map((member) => ({ ...member, text: formatHostPort(member) })),
    prefix,
    tls: tlsOptions(flags),
  };
}

/** Read once: who has new ones starts anew. */
function tlsOptions({ etcdCa, etcdCert, etcdKey }: EtcdFlags): EtcdStoreOptions['tls'] {
  if (etcdCa === undefined) return null;
  const read = (file: string | undefined): Buffer | null =>
    file === undefined ? null : Buffer.from(readUserFile(file));
  const tls = { roots: etcdCa === 'system' ? null : read(etcdCa), certificate: read(etcdCert), key: read(etcdKey) };
  if (tls.roots !== null && !holdsCertificates(tls.roots.toString()))
    throw new UserError(`--etcd-ca: ${etcdCa} holds no certificate (PEM) that can be read`);
  try {
    createSecureContext({
      ...(tls.roots === null ? {} : { ca: tls.roots }),
      ...(tls.certificate === null ? {} : { cert: tls.certificate }),
      ...(tls.key === null ? {} : { key: tls.key }),
    });
  } catch (error) {
    throw new UserError(`--etcd-ca, --etcd-cert, --etcd-key: they cannot be used: ${(error as Error).message}`);
  }
  return tls;
}

/** Node takes roots that hold none, and trusts nobody then. */
function holdsCertificates(pem: string): boolean {
  const found = pem.match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g) ?? [];
  try {
    for (const each of found) void new X509Certificate(each);
  } catch {
    return false;
  }
  return found.length > 0;
}
