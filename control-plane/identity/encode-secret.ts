/** Secrets as Envoy takes them: the certificate and key of a proxy, and the roots of every trust domain, each of which counts for its own peers only. */
import { createHash, type KeyObject } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import type { IssuedLeaf } from '../../certs/authority/sign-leaf.ts';
import type { TrustBundle } from '../../certs/spiffe/trust-bundle.ts';
import { fingerprint } from '../../certs/x509/certificate.ts';
import { writePem } from '../../certs/x509/pem.ts';
import { type DataSource, DataSourceSchema } from '../../proto/generated/envoy/config/core/v3/base_pb.js';
import { TypedExtensionConfigSchema } from '../../proto/generated/envoy/config/core/v3/extension_pb.js';
import {
  CertificateValidationContextSchema,
  TlsCertificateSchema,
} from '../../proto/generated/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import { SecretSchema } from '../../proto/generated/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import {
  SPIFFECertValidatorConfig_TrustDomainSchema,
  SPIFFECertValidatorConfigSchema,
} from '../../proto/generated/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb.js';
import { packAny } from '../translate/encoded-resource.ts';
import { type ServedResource, typeOrder } from '../xds-server/served-resource.ts';

/** A proxy's own certificate, and what it judges peers by. */
export const secretNames = { own: 'default', roots: 'ROOTCA' } as const;

/** Its version is the serial number: nothing that is told about a secret may come from its key. */
export function ownSecret(leaf: IssuedLeaf, key: KeyObject): ServedResource {
  const message = create(SecretSchema, {
    name: secretNames.own,
    type: {
      case: 'tlsCertificate',
      value: create(TlsCertificateSchema, {
        certificateChain: inline(writePem('CERTIFICATE', ...leaf.chain)),
        privateKey: inline(key.export({ format: 'pem', type: 'pkcs8' }) as string),
      }),
    },
  });
  return served(secretNames.own, leaf.serial, toBinary(SecretSchema, message));
}

/** The same bytes for the same roots, in whatever order they came. */
export function rootsSecret(bundles: readonly TrustBundle[]): ServedResource {
  const trustDomains = bundles.map(({ trustDomain, roots }) => {
    const sorted = roots.toSorted((a, b) => (fingerprint(a) < fingerprint(b) ? -1 : 1));
    return create(SPIFFECertValidatorConfig_TrustDomainSchema, {
      name: trustDomain,
      trustBundle: inline(writePem('CERTIFICATE', ...sorted.map(({ der }) => der))),
    });
  });
  const message = create(SecretSchema, {
    name: secretNames.roots,
    type: {
      case: 'validationContext',
      value: create(CertificateValidationContextSchema, {
        customValidatorConfig: create(TypedExtensionConfigSchema, {
          name: 'envoy.tls.cert_validator.spiffe',
          typedConfig: packAny(
            SPIFFECertValidatorConfigSchema,
            create(SPIFFECertValidatorConfigSchema, { trustDomains }),
          ),
        }),
      }),
    },
  });
  const bytes = toBinary(SecretSchema, message);
  return served(secretNames.roots, createHash('sha256').update(bytes).digest('hex').slice(0, 16), bytes);
}

function served(name: string, version: string, bytes: Uint8Array): ServedResource {
  return { name, typeUrl: typeOrder.secret, version, bytes };
}

function inline(text: string): DataSource {
  return create(DataSourceSchema, { specifier: { case: 'inlineBytes', value: Buffer.from(text) } });
}
