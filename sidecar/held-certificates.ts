/** Which TLS contexts a configuration has, and what certificates stand in each: inline ones, and secrets as they are now. Shown, measured and judged elsewhere. */
import type { X509Certificate } from 'node:crypto';
import type { Configuration } from './config/configuration.ts';
import type { SecretReference, TlsCommonConfig } from './config/tls-config.ts';
import type { SecretLookup } from './secret/secret-store.ts';
import { pemCertificates } from './transport/pem-text.ts';

/** Certificates under one name: a chain with its leaf first, or trusted CAs. */
export interface Held {
  readonly kind: 'certificate' | 'ca';
  /** The secret's name, the file's path, or whose configuration it stands in. */
  readonly name: string;
  readonly source: 'sds' | 'file' | 'inline';
  readonly certificates: readonly X509Certificate[];
}

/** `owner`: for people, `listener inbound`. */
export function* tlsContexts(
  configuration: Pick<Configuration, 'listeners' | 'clusters'>,
): Iterable<{ readonly owner: string; readonly tls: TlsCommonConfig }> {
  for (const { value } of configuration.listeners.values())
    for (const chain of [...value.filterChains, value.defaultFilterChain])
      if ((chain?.tls ?? null) !== null) yield { owner: `listener ${value.name}`, tls: chain!.tls! };
  for (const { value } of configuration.clusters.values())
    for (const tls of [value.tls, ...(value.transportMatches ?? []).map((match) => match.tls)])
      if (tls !== null) yield { owner: `cluster ${value.name}`, tls };
}

export function heldBy(owner: string, tls: TlsCommonConfig, secrets: SecretLookup): readonly Held[] {
  const { certificateSecret = null, trustSecret = null } = tls;
  return [
    ...standingIn(owner, tls),
    ...fromSecret(certificateSecret, 'certificate', secrets),
    ...fromSecret(trustSecret, 'ca', secrets),
  ];
}

/** What stands in a configuration is parsed once. */
const inline = new WeakMap<TlsCommonConfig, readonly Held[]>();

/** Inline certificates only. */
export function standingIn(owner: string, tls: TlsCommonConfig): readonly Held[] {
  const { certificateSecret = null, trustSecret = null } = tls;
  let standing = inline.get(tls);
  if (standing === undefined) {
    const held = (kind: Held['kind'], pem: string): Held => ({
      kind,
      name: owner,
      source: 'inline',
      certificates: pemCertificates(pem),
    });
    standing = [
      ...(certificateSecret === null ? tls.certificates.map(({ chainPem }) => held('certificate', chainPem)) : []),
      ...(trustSecret === null && tls.trustedCaPem !== null ? [held('ca', tls.trustedCaPem)] : []),
    ];
    inline.set(tls, standing);
  }
  return standing;
}

function fromSecret(reference: SecretReference | null, kind: Held['kind'], secrets: SecretLookup): Held[] {
  if (reference === null) return [];
  const secret = secrets.get(reference.key);
  if (secret === undefined || (secret.value.kind === 'certificate') !== (kind === 'certificate')) return [];
  const certificates =
    secret.value.kind === 'certificate' ? pemCertificates(secret.value.chainPem) : secret.certificates;
  return [{ kind, name: reference.name, source: sourceOf(reference), certificates }];
}

export function sourceOf({ source }: SecretReference): 'file' | 'sds' {
  return source.kind.endsWith('file') || source.kind.endsWith('files') ? 'file' : 'sds';
}
