import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { caPem, forged, orders, strangerPem } from '../transport/test/certificates.ts';
import { SdsSecretConfigSchema, SecretSchema } from './api/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { apiRegistry } from './api-registry.ts';
import { decodeSecret, secretReference } from './decode-secret.ts';
import { Faults, faultText } from './fault.ts';

function decode(json: JsonValue): { value: unknown; faults: string[] } {
  const faults = new Faults();
  const value = decodeSecret(fromJson(SecretSchema, json, { registry: apiRegistry }), '', faults);
  return { value, faults: faults.list.map(faultText) };
}

function refer(json: JsonValue): { value: unknown; faults: string[] } {
  const faults = new Faults();
  const value = secretReference(fromJson(SdsSecretConfigSchema, json, { registry: apiRegistry }), 'here', faults);
  return { value, faults: faults.list.map(faultText) };
}

const inline = (text: string): JsonValue => ({ inline_string: text });
const bytes = (text: string): JsonValue => ({ inline_bytes: Buffer.from(text).toString('base64') });

describe('a secret', () => {
  it('is a certificate with its key, as text or bytes', () => {
    const wanted = { kind: 'certificate', ...orders };
    for (const form of [inline, bytes])
      expect(
        decode({
          name: 'default',
          tls_certificate: { certificate_chain: form(orders.chainPem), private_key: form(orders.keyPem) },
        }),
      ).toEqual({ value: wanted, faults: [] });
  });

  it('or trusted CAs, with names that are wanted beside those of who refers to it', () => {
    const match = { san_type: 'URI', matcher: { exact: 'spiffe://td/a' } };
    expect(
      decode({
        name: 'ROOTCA',
        validation_context: { trusted_ca: inline(caPem), match_typed_subject_alt_names: [match] },
      }),
    ).toEqual({
      value: { kind: 'validation', trustedCaPem: caPem, subjectAltNames: [{ type: 'uri', exact: 'spiffe://td/a' }] },
      faults: [],
    });
  });

  it.each<readonly [string, JsonValue, string]>([
    ['nothing in it', { name: 's' }, 'is neither a tls_certificate nor a validation_context'],
    [
      'the key of another',
      {
        name: 's',
        tls_certificate: { certificate_chain: inline(orders.chainPem), private_key: inline(forged.keyPem) },
      },
      'tls_certificate.private_key: the private key does not belong to the certificate',
    ],
    [
      'no key',
      { name: 's', tls_certificate: { certificate_chain: inline(orders.chainPem) } },
      'tls_certificate.private_key: has neither filename nor inline data',
    ],
    [
      'a chain that is none',
      { name: 's', tls_certificate: { certificate_chain: inline('x'), private_key: inline(orders.keyPem) } },
      'tls_certificate: no PEM block -----BEGIN CERTIFICATE----- was found',
    ],
    [
      'a CA that is none',
      { name: 's', validation_context: { trusted_ca: inline('x') } },
      'validation_context.trusted_ca: no PEM block -----BEGIN CERTIFICATE----- was found',
    ],
  ])('is refused with %s, with its path and never with a key', (_what, json, fault) => {
    const { faults } = decode(json);
    expect(faults).toEqual([fault]);
  });
});

const spiffe = (...trustDomains: readonly JsonValue[]): JsonValue => ({
  name: 'envoy.tls.cert_validator.spiffe',
  typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig',
    trust_domains: [...trustDomains],
  },
});
const domain = (name: string, pem: string): JsonValue => ({ name, trust_bundle: inline(pem) });

describe('trust domains in a secret (envoy.tls.cert_validator.spiffe)', () => {
  const decodeTrust = (context: Record<string, JsonValue>) => decode({ name: 'ROOTCA', validation_context: context });

  it('are kept apart; OpenSSL gets the roots of all', () => {
    const config = spiffe(domain('td', caPem), domain('other', strangerPem));
    expect(decodeTrust({ custom_validator_config: config })).toEqual({
      value: {
        kind: 'validation',
        trustedCaPem: `${caPem}\n${strangerPem}`,
        trustDomains: [
          { name: 'td', rootsPem: caPem },
          { name: 'other', rootsPem: strangerPem },
        ],
        subjectAltNames: [],
      },
      faults: [],
    });
  });

  const at = 'validation_context.custom_validator_config.typed_config';
  it.each<readonly [string, Record<string, JsonValue>, string]>([
    ['without any', { custom_validator_config: spiffe() }, `${at}.trust_domains: there is none`],
    [
      'with one twice',
      { custom_validator_config: spiffe(domain('td', caPem), domain('td', caPem)) },
      `${at}.trust_domains: "td" is there twice`,
    ],
    [
      'with a scheme in the name',
      { custom_validator_config: spiffe(domain('spiffe://td', caPem)) },
      `${at}.trust_domains: "spiffe://td": "spiffe://td" is no trust domain: the trust domain has characters other than a-z, 0-9, dot, dash and underscore`,
    ],
    [
      'with a leaf as a root',
      { custom_validator_config: spiffe(domain('td', orders.chainPem)) },
      `${at}.trust_domains: "td": the trust bundle of td holds a certificate that is not an authority's`,
    ],
    [
      'without a bundle',
      { custom_validator_config: spiffe({ name: 'td' }) },
      `${at}.trust_domains[0].trust_bundle: has neither filename nor inline data`,
    ],
    [
      'beside trusted_ca',
      { trusted_ca: inline(caPem), custom_validator_config: spiffe(domain('td', caPem)) },
      'validation_context.trusted_ca: does not count beside custom_validator_config; leave it out',
    ],
  ])('are refused %s', (_what, context, fault) => {
    expect(decodeTrust(context).faults.join('\n')).toContain(fault);
  });
});

describe('a reference to a secret', () => {
  it('goes to ADS under its own name, so that a local secret can answer', () => {
    expect(refer({ name: 'default', sds_config: { ads: {}, resource_api_version: 'V3' } })).toEqual({
      value: { name: 'default', key: 'default', source: { kind: 'ads' } },
      faults: [],
    });
  });

  it('or to a file, under a name that nothing else has', () => {
    expect(refer({ name: 's', sds_config: { path_config_source: { path: '/etc/s.yaml' } } })).toEqual({
      value: {
        name: 's',
        key: 'file:/etc/s.yaml#s',
        source: { kind: 'sds-file', path: '/etc/s.yaml', watchedDirectory: '' },
      },
      faults: [],
    });
  });

  const grpc = {
    api_type: 'GRPC',
    transport_api_version: 'V3',
    grpc_services: [{ envoy_grpc: { cluster_name: 'agent' } }],
  };

  it('or to a service of its own; a source that differs in anything is another', () => {
    const first = refer({ name: 's', sds_config: { api_config_source: grpc } });
    expect(first).toMatchObject({
      value: {
        name: 's',
        source: { kind: 'sds-service', variant: 'sotw', clusterName: 'agent', initialFetchTimeoutMs: 15_000 },
      },
      faults: [],
    });
    const keys = [
      grpc,
      { ...grpc, api_type: 'DELTA_GRPC' },
      { ...grpc, grpc_services: [{ envoy_grpc: { cluster_name: 'other' } }] },
      {
        ...grpc,
        grpc_services: [{ envoy_grpc: { cluster_name: 'agent' }, initial_metadata: [{ key: 'a', value: 'b' }] }],
      },
    ].map((source) => (refer({ name: 's', sds_config: { api_config_source: source } }).value as { key: string }).key);
    expect(new Set(keys).size).toBe(4);
  });

  it.each<readonly [JsonValue, string]>([
    [{ ...grpc, api_type: 'REST' }, 'here.sds_config.api_config_source.api_type: must be GRPC or DELTA_GRPC'],
    [{ ...grpc, transport_api_version: 'V2' }, 'here.sds_config.api_config_source.transport_api_version: must be V3'],
    [
      { ...grpc, grpc_services: [] },
      'here.sds_config.api_config_source.grpc_services: there are 0; exactly one is supported',
    ],
    [
      { ...grpc, grpc_services: [{ envoy_grpc: {} }] },
      'here.sds_config.api_config_source.grpc_services[0].envoy_grpc.cluster_name: must not be empty',
    ],
  ])('a service that cannot be asked is refused: %j', (source, fault) => {
    expect(refer({ name: 's', sds_config: { api_config_source: source } }).faults).toContain(fault);
  });

  it('is refused without name or source', () => {
    expect(refer({ sds_config: { ads: {} } }).faults).toEqual(['here.name: must not be empty']);
    expect(refer({ name: 's' }).faults[0]).toContain('here.sds_config: ');
    expect(refer({ name: 's', sds_config: { path_config_source: {} } }).faults).toEqual([
      'here.sds_config.path_config_source.path: must not be empty',
    ]);
  });
});
