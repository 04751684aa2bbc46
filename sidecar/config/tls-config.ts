/** TLS of a filter chain or a cluster: our form of DownstreamTlsContext and UpstreamTlsContext. PEM text, already read from files or inline bytes. */

export interface TlsCertificate {
  readonly chainPem: string;
  readonly keyPem: string;
}

export interface TlsCommonConfig {
  readonly certificates: readonly TlsCertificate[];
  /** `validation_context.trusted_ca`; null: the peer is not verified. */
  readonly trustedCaPem: string | null;
  /** `match_typed_subject_alt_names` exact matches, `kind:value`; empty: any. */
  readonly subjectAltNames: ReadonlyArray<{ readonly type: 'dns' | 'uri' | 'ip' | 'email'; readonly exact: string }>;
  readonly alpn: readonly string[];
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  readonly maxVersion: 'TLSv1.2' | 'TLSv1.3';
}

export interface TlsServerConfig extends TlsCommonConfig {
  readonly requireClientCertificate: boolean;
}

export interface TlsClientConfig extends TlsCommonConfig {
  /** `sni`; '': none sent. */
  readonly serverName: string;
}
