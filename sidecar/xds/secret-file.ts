/** Reads a secret from a file with a DiscoveryResponse (YAML or JSON), as Envoy's `path_config_source` names one. Certificates and keys may stand in it, or in files that it names. */
import { readFile } from 'node:fs/promises';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import type { LoadedSecret } from '../secret/file-secrets.ts';
import type { DataSource } from './api/envoy/config/core/v3/base_pb.js';
import type { CertificateValidationContext } from './api/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import { type Secret, SecretSchema } from './api/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { SPIFFECertValidatorConfigSchema } from './api/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb.js';
import { DiscoveryResponseSchema } from './api/envoy/service/discovery/v3/discovery_pb.js';
import { apiRegistry } from './api-registry.ts';
import { checkFields } from './check-fields.ts';
import { checkJson } from './check-json.ts';
import { decodeSecret } from './decode-secret.ts';
import { standardJson } from './envoy-json.ts';
import { at, Faults, faultText } from './fault.ts';

/** Never rejects. `files`: those whose change is a change of the secret. */
export async function loadSecretFile(path: string, name: string): Promise<LoadedSecret> {
  const files = [path];
  const faults = new Faults();
  try {
    const json = standardJson(DiscoveryResponseSchema, await jsonOf(await readFile(path, 'utf8'), path)) as JsonValue;
    checkJson(DiscoveryResponseSchema, json, '', faults);
    if (faults.any) return refused(path, faults, files);
    const response = fromJson(DiscoveryResponseSchema, json, { registry: apiRegistry });
    for (const [i, any] of response.resources.entries()) {
      const here = at('resources', i);
      const secret = anyUnpack(any, apiRegistry) as Secret | undefined;
      if (secret?.$typeName !== 'envoy.extensions.transport_sockets.tls.v3.Secret')
        faults.add(here, `${any.typeUrl} is no Secret`);
      else if (secret.name === name || (secret.name === '' && response.resources.length === 1)) {
        files.push(...fileNames(secret));
        checkFields(SecretSchema, secret, here, faults);
        const value = faults.any ? null : decodeSecret(secret, here, faults);
        if (value !== null && !faults.any) return { ok: true, value, files };
      }
    }
    if (!faults.any) faults.add('resources', `none is named ${JSON.stringify(name)}`);
  } catch (error) {
    // What protobuf found wrong stands behind the colon, and may be a key.
    faults.add('', (error as Error).message.split(' from JSON:', 1)[0]!);
  }
  return refused(path, faults, files);
}

function refused(path: string, faults: Faults, files: readonly string[]): LoadedSecret {
  return { ok: false, fault: `${path}: ${faults.list.map(faultText).join('; ')}`, files };
}

/** JSON is YAML too, and there the place of a fault is known. What the parsers say beside the place may quote the text, and with it a key. */
async function jsonOf(text: string, file: string): Promise<JsonValue> {
  try {
    if (text.trimStart().startsWith('{')) return JSON.parse(text) as JsonValue;
  } catch {
    // Told below, with its place.
  }
  const { parseYamlText } = await import('./yaml-text.ts');
  const parsed = parseYamlText(text, file);
  if (!parsed.ok) throw new Error(`is neither YAML nor JSON (${parsed.faults[0]!.split(': ', 1)[0]})`);
  return parsed.value as JsonValue;
}

function fileNames({ type }: Secret): string[] {
  const sources =
    type.case === 'tlsCertificate'
      ? [type.value.certificateChain, type.value.privateKey]
      : type.case === 'validationContext'
        ? [type.value.trustedCa, ...trustBundles(type.value)]
        : [];
  return sources.flatMap((source) => (source?.specifier.case === 'filename' ? [source.specifier.value] : []));
}

function trustBundles({ customValidatorConfig }: CertificateValidationContext): DataSource[] {
  const typed = customValidatorConfig?.typedConfig;
  const message = typed === undefined ? undefined : anyUnpack(typed, SPIFFECertValidatorConfigSchema);
  return (message?.trustDomains ?? []).flatMap(({ trustBundle }) => trustBundle ?? []);
}
