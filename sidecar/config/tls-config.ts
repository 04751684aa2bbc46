/**
 * TLS of a filter chain or a cluster: our form of DownstreamTlsContext and UpstreamTlsContext. Certificates and trusted CAs stand in it as PEM text (inline), or it names the secrets
 * that they come from (sidecar/secret): then the text is put in by SecretTls for each new version of a secret.
 */

import type { GrpcSourceConfig } from './bootstrap-config.ts';

export interface TlsCertificate {
  readonly chainPem: string;
  readonly keyPem: string;
}

export interface SecretServiceSource extends GrpcSourceConfig {
  readonly kind: 'sds-service';
  /** How long what refers to the secret waits for it; 0: for ever. */
  readonly initialFetchTimeoutMs: number;
}

/** Where a secret comes from. */
export type SecretSource =
  /** By SDS over the ADS stream; or, for names that the sidecar has an identity for, from itself. */
  | { readonly kind: 'ads' }
  /** `api_config_source`: by SDS from a service of its own. */
  | SecretServiceSource
  /** `path_config_source`: a file with a DiscoveryResponse that holds the secret. */
  | { readonly kind: 'sds-file'; readonly path: string; readonly watchedDirectory: string }
  /** PEM files named in the configuration itself. */
  | {
      readonly kind: 'certificate-files';
      readonly chainPath: string;
      readonly keyPath: string;
      readonly watchedDirectory: string;
    }
  | { readonly kind: 'trust-file'; readonly path: string; readonly watchedDirectory: string };

export interface SecretReference {
  /** The secret's name; for PEM files, their paths. */
  readonly name: string;
  /** Under which the store has it: the name itself for `ads`, so that a local secret can answer; else source and name. */
  readonly key: string;
  readonly source: SecretSource;
}

/** A name that the peer may have: `exact`, or any that begins with `prefix`. */
export type SubjectAltNameMatch = { readonly type: 'dns' | 'uri' | 'ip' | 'email' } & (
  | { readonly exact: string }
  | { readonly prefix: string }
);

/** A trust domain and the roots that count for it, and for it only. */
export interface TrustDomainRoots {
  readonly name: string;
  readonly rootsPem: string;
}

export interface TlsCommonConfig {
  readonly certificates: readonly TlsCertificate[];
  /** `validation_context.trusted_ca`; null: the peer is not verified. */
  readonly trustedCaPem: string | null;
  /** `envoy.tls.cert_validator.spiffe`: each trust domain by its own roots, which `trustedCaPem` has all together. Absent or null: `trustedCaPem` counts for every peer. */
  readonly trustDomains?: readonly TrustDomainRoots[] | null;
  /** `match_typed_subject_alt_names`; empty: any. */
  readonly subjectAltNames: readonly SubjectAltNameMatch[];
  readonly alpn: readonly string[];
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  readonly maxVersion: 'TLSv1.2' | 'TLSv1.3';
  /** Groups for the key exchange, in OpenSSL's form; absent or '': Node's. */
  readonly ecdhCurves?: string;
  /** Secret that `certificates` come from; absent: they are inline, or there are none. */
  readonly certificateSecret?: SecretReference | null;
  /** Secret that `trustedCaPem` comes from; names to match may come with it too. */
  readonly trustSecret?: SecretReference | null;
}

export interface TlsServerConfig extends TlsCommonConfig {
  readonly requireClientCertificate: boolean;
}

export interface TlsClientConfig extends TlsCommonConfig {
  /** `sni`; '': none sent. */
  readonly serverName: string;
}
