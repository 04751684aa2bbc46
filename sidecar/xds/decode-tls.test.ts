import { describe, expect, it } from 'vitest';
import { caPem, forged, orders } from '../transport/test/certificates.ts';
import { TransportSocketSchema } from './api/envoy/config/core/v3/base_pb.js';
import { downstreamTls, upstreamTls } from './decode-tls.ts';
import { decodeJson } from './test/decode-json.ts';

type Fields = Readonly<Record<string, unknown>>;

const tls = 'envoy.extensions.transport_sockets.tls.v3.';
const certificate = (chain: string = orders.chainPem, key: string = orders.keyPem): Fields => ({
  certificate_chain: { inline_string: chain },
  private_key: { inline_string: key },
});
const trusted = { trusted_ca: { inline_string: caPem } };

function socket(kind: string, fields: Fields): Fields {
  return { name: 'tls', typed_config: { '@type': `type.googleapis.com/${tls}${kind}`, ...fields } };
}

const sds = (name: string): Fields => ({ name, sds_config: { ads: {}, resource_api_version: 'V3' } });

function downstream(common: Fields, fields: Fields = {}) {
  return decodeJson(
    TransportSocketSchema,
    JSON.parse(
      JSON.stringify(
        socket('DownstreamTlsContext', {
          common_tls_context: { tls_certificates: [certificate()], ...common },
          ...fields,
        }),
      ),
    ),
    (message, path, faults) => downstreamTls(message, path, faults),
  );
}

function upstream(common: Fields, fields: Fields = {}) {
  return decodeJson(
    TransportSocketSchema,
    JSON.parse(JSON.stringify(socket('UpstreamTlsContext', { common_tls_context: common, ...fields }))),
    (message, path, faults) => upstreamTls(message, path, faults),
  );
}

describe('TLS of a listener', () => {
  it('takes certificates, the CA, names, ALPN and versions', () => {
    const { value, faults } = downstream(
      {
        validation_context: {
          ...trusted,
          match_typed_subject_alt_names: [
            { san_type: 'URI', matcher: { exact: 'spiffe://cluster.local/ns/shop/sa/web' } },
            { san_type: 'DNS', matcher: { exact: 'web.shop' } },
          ],
        },
        alpn_protocols: ['h2', 'http/1.1'],
        tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
      },
      { require_client_certificate: true },
    );
    expect(faults).toEqual([]);
    expect(value).toMatchObject({
      certificates: [{ chainPem: orders.chainPem, keyPem: orders.keyPem }],
      trustedCaPem: caPem,
      requireClientCertificate: true,
      subjectAltNames: [
        { type: 'uri', exact: 'spiffe://cluster.local/ns/shop/sa/web' },
        { type: 'dns', exact: 'web.shop' },
      ],
      alpn: ['h2', 'http/1.1'],
      minVersion: 'TLSv1.3',
      maxVersion: 'TLSv1.3',
    });
    expect(Object.isFrozen(value)).toBe(true);
  });

  it('takes names in the older form, of any type, and groups for the key exchange', () => {
    const { value, faults } = downstream({
      validation_context: {
        ...trusted,
        match_subject_alt_names: [{ exact: 'spiffe://td/a' }, { exact: '10.0.0.1' }],
      },
      tls_params: { ecdh_curves: ['X25519:P-256', 'P-384'] },
    });
    expect(faults).toEqual([]);
    expect(value).toMatchObject({
      ecdhCurves: 'X25519:P-256:P-384',
      subjectAltNames: [
        { type: 'uri', exact: 'spiffe://td/a' },
        { type: 'uri', exact: '10.0.0.1' },
        { type: 'dns', exact: '10.0.0.1' },
        { type: 'email', exact: '10.0.0.1' },
        { type: 'ip', exact: '10.0.0.1' },
      ],
    });
    expect(
      downstream({ validation_context: { ...trusted, match_subject_alt_names: [{ prefix: 'a' }] } }).faults.join(),
    ).toContain('match_subject_alt_names[0]: only exact is supported');
    expect(downstream({ tls_params: { ecdh_curves: ['P-1'] } }).faults.join()).toContain('cannot be used');
  });

  it('judges trust domains apart, each by its own roots (envoy.tls.cert_validator.spiffe)', () => {
    const typed = {
      '@type': `type.googleapis.com/${tls}SPIFFECertValidatorConfig`,
      trust_domains: [{ name: 'td', trust_bundle: { inline_string: caPem } }],
    };
    const custom = { name: 'envoy.tls.cert_validator.spiffe', typed_config: typed };
    expect(
      downstream({ validation_context: { custom_validator_config: custom } }, { require_client_certificate: true }),
    ).toMatchObject({
      faults: [],
      value: { trustedCaPem: caPem, trustDomains: [{ name: 'td', rootsPem: caPem }], trustSecret: null },
    });
    const combined = {
      default_validation_context: { custom_validator_config: custom },
      validation_context_sds_secret_config: sds('ROOTCA'),
    };
    expect(downstream({ combined_validation_context: combined }).faults.join()).toContain(
      'default_validation_context.custom_validator_config: comes with the secret here; leave it out',
    );
  });

  it('speaks TLS 1.2 and 1.3 and asks for no client certificate where nothing is said', () => {
    expect(downstream({}).value).toMatchObject({
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      requireClientCertificate: false,
      trustedCaPem: null,
      subjectAltNames: [],
      alpn: [],
    });
  });

  it.each<[string, Fields, Fields, string]>([
    [
      'no certificate',
      { tls_certificates: [] },
      {},
      'typed_config.common_tls_context.tls_certificates: a TLS listener needs a certificate',
    ],
    [
      'client certificates that nothing can verify',
      {},
      { require_client_certificate: true },
      'typed_config.common_tls_context.validation_context.trusted_ca: is needed to verify',
    ],
    [
      'names and no CA: whoever signs his own certificate could have them (Envoy refuses it too)',
      { validation_context: { match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: 'web.shop' } }] } },
      {},
      'typed_config.common_tls_context.validation_context.trusted_ca: is needed beside match_typed_subject_alt_names: anybody can sign a certificate with these names',
    ],
    [
      'names of the older form and no CA',
      { validation_context: { match_subject_alt_names: [{ exact: 'web.shop' }] } },
      {},
      'typed_config.common_tls_context.validation_context.trusted_ca: is needed beside match_subject_alt_names',
    ],
    [
      'a CA that is none',
      { validation_context: { trusted_ca: { inline_string: 'x' } } },
      {},
      'validation_context.trusted_ca: holds no certificate in PEM',
    ],
    [
      'a file that is not there',
      { tls_certificates: [{ ...certificate(), private_key: { filename: '/no/such/key.pem' } }] },
      {},
      'tls_certificates[0].private_key.filename: cannot read /no/such/key.pem: there is no such file',
    ],
    [
      'a certificate without its key',
      { tls_certificates: [{ certificate_chain: { inline_string: orders.chainPem } }] },
      {},
      'tls_certificates[0].private_key: has neither filename nor inline data',
    ],
    [
      'the key of another certificate',
      { tls_certificates: [certificate(orders.chainPem, forged.keyPem)] },
      {},
      'typed_config: cannot be used: the private key does not belong to the certificate',
    ],
    [
      'TLS 1.1',
      { tls_params: { tls_minimum_protocol_version: 'TLSv1_1' } },
      {},
      'tls_params.tls_minimum_protocol_version: TLS below 1.2 is not supported',
    ],
    [
      'a lowest version above the highest',
      { tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_2' } },
      {},
      'the lowest TLS version (TLSv1.3) is above the highest (TLSv1.2)',
    ],
    [
      'a host name to be matched by its beginning',
      {
        validation_context: {
          ...trusted,
          match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { prefix: 'orders' } }],
        },
      },
      {},
      'match_typed_subject_alt_names[0].matcher: only exact is supported, and prefix for URI names',
    ],
    [
      'a name without respect to case',
      {
        validation_context: {
          ...trusted,
          match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: 'spiffe://a', ignore_case: true } }],
        },
      },
      {},
      'match_typed_subject_alt_names[0].matcher: only exact is supported',
    ],
    [
      'a name of no kind',
      { validation_context: { ...trusted, match_typed_subject_alt_names: [{ matcher: { exact: 'a' } }] } },
      {},
      'match_typed_subject_alt_names[0].san_type: must be DNS, URI, IP_ADDRESS or EMAIL',
    ],
    [
      'two secrets for its certificate',
      { tls_certificates: [], tls_certificate_sds_secret_configs: [sds('a'), sds('b')] },
      {},
      'common_tls_context.tls_certificate_sds_secret_configs: there are 2; at most one is supported',
    ],
    [
      'a certificate in it and a secret for it',
      { tls_certificate_sds_secret_configs: [sds('default')] },
      {},
      'common_tls_context.tls_certificate_sds_secret_configs: and tls_certificates are both there',
    ],
    [
      'a secret from nowhere',
      { tls_certificates: [], tls_certificate_sds_secret_configs: [{ name: 'default' }] },
      {},
      'tls_certificate_sds_secret_configs[0].sds_config: only ads: {}, api_config_source and path_config_source are supported',
    ],
    [
      'a combined context that trusts a CA by itself',
      {
        combined_validation_context: {
          default_validation_context: trusted,
          validation_context_sds_secret_config: sds('ROOTCA'),
        },
      },
      {},
      'combined_validation_context.default_validation_context.trusted_ca: comes with the secret here',
    ],
    ['a demand for SNI', {}, { require_sni: true }, 'require_sni: is not supported'],
  ])('is refused with %s', (_what, common, fields, fault) => {
    const { value, faults } = downstream(common, fields);
    expect(faults.join('\n')).toContain(fault);
    expect(value).toBeNull();
  });

  it('never shows a key in a fault', () => {
    const broken = orders.keyPem.slice(0, 60);
    const { faults } = downstream({ tls_certificates: [certificate(orders.chainPem, broken)] });
    expect(faults.join('\n')).toContain('cannot be used');
    expect(faults.join('\n')).not.toContain(broken.split('\n')[1]);
  });

  it('is none for raw_buffer and for no transport socket at all', () => {
    const raw = {
      name: 'raw',
      typed_config: { '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer' },
    };
    const { value, faults } = decodeJson(TransportSocketSchema, raw, (message, path, found) =>
      downstreamTls(message, path, found),
    );
    expect([value, faults]).toEqual([null, []]);
    expect(downstreamTls(undefined, '', null as never)).toBeNull();
  });

  it('is refused with the context of a cluster, and without any', () => {
    const decode = (json: Fields) =>
      decodeJson(TransportSocketSchema, json, (message, path, faults) => downstreamTls(message, path, faults)).faults;
    expect(decode(socket('UpstreamTlsContext', {})).join()).toContain(
      `${tls}UpstreamTlsContext does not belong here; ${tls}DownstreamTlsContext does`,
    );
    expect(decode({ name: 'tls' })).toEqual(['typed_config: is missing']);
  });
});

describe('secrets of TLS', () => {
  it('are referred to by name, with the names wanted beside them (combined_validation_context)', () => {
    const { value, faults } = downstream(
      {
        tls_certificates: [],
        tls_certificate_sds_secret_configs: [sds('default')],
        combined_validation_context: {
          default_validation_context: {
            match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { prefix: 'spiffe://cluster.local/' } }],
          },
          validation_context_sds_secret_config: sds('ROOTCA'),
        },
      },
      { require_client_certificate: true },
    );
    expect(faults).toEqual([]);
    expect(value).toMatchObject({
      certificates: [],
      trustedCaPem: null,
      certificateSecret: { name: 'default', key: 'default', source: { kind: 'ads' } },
      trustSecret: { name: 'ROOTCA', key: 'ROOTCA', source: { kind: 'ads' } },
      subjectAltNames: [{ type: 'uri', prefix: 'spiffe://cluster.local/' }],
    });
  });

  it('come from files of secrets too (path_config_source)', () => {
    const { value, faults } = upstream({
      tls_certificate_sds_secret_configs: [
        {
          name: 'own',
          sds_config: {
            path_config_source: { path: '/etc/certs/sds.yaml', watched_directory: { path: '/etc/certs' } },
          },
        },
      ],
      validation_context_sds_secret_config: sds('ROOTCA'),
    });
    expect(faults).toEqual([]);
    expect(value).toMatchObject({
      certificateSecret: {
        name: 'own',
        key: 'file:/etc/certs/sds.yaml#own',
        source: { kind: 'sds-file', path: '/etc/certs/sds.yaml', watchedDirectory: '/etc/certs' },
      },
      trustSecret: { key: 'ROOTCA' },
    });
  });
});

describe('TLS of a cluster', () => {
  it('takes the server name, and needs no certificate of its own', () => {
    const { value, faults } = upstream({ validation_context: trusted }, { sni: 'orders.shop' });
    expect(faults).toEqual([]);
    expect(value).toMatchObject({ serverName: 'orders.shop', certificates: [], trustedCaPem: caPem });
  });

  it('is refused with names and no CA, and taken without both: then nothing is verified, as in Envoy', () => {
    const names = { match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: 'spiffe://td/a' } }] };
    expect(upstream({ validation_context: names }).faults).toEqual([
      'typed_config.common_tls_context.validation_context.trusted_ca: is needed beside match_typed_subject_alt_names: anybody can sign a certificate with these names',
    ]);
    expect(upstream({})).toMatchObject({ faults: [], value: { trustedCaPem: null, subjectAltNames: [] } });
    expect(upstream({ validation_context: {} }).faults).toEqual([]);
  });

  it('is refused with what it does not take', () => {
    expect(upstream({}, { allow_renegotiation: true }).faults.join()).toContain(
      'allow_renegotiation: is not supported',
    );
  });
});
