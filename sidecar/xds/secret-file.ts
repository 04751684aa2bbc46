/** Reads a secret from a file with a DiscoveryResponse (YAML or JSON), as Envoy's `path_config_source` names one. Certificates and keys may stand in it, or in files that it names. */
import { readFile } from 'node:fs/promises';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import type { LoadedSecret } from '../secret/file-secrets.ts';
import { type Secret, SecretSchema } from './api/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { DiscoveryResponseSchema } from './api/envoy/service/discovery/v3/discovery_pb.js';
import { apiRegistry } from './api-registry.ts';
import { checkFields } from './check-fields.ts';
import { decodeSecret } from './decode-secret.ts';
import { at, Faults, faultText } from './fault.ts';

/** Never rejects. `files`: those whose change is a change of the secret. */
export async function loadSecretFile(path: string, name: string): Promise<LoadedSecret> {
  const files = [path];
  const faults = new Faults();
  try {
    const response = fromJson(DiscoveryResponseSchema, await jsonOf(await readFile(path, 'utf8'), path), {
      registry: apiRegistry,
    });
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
    faults.add('', (error as Error).message);
  }
  return { ok: false, fault: `${path}: ${faults.list.map(faultText).join('; ')}`, files };
}

async function jsonOf(text: string, file: string): Promise<JsonValue> {
  if (text.trimStart().startsWith('{')) return JSON.parse(text) as JsonValue;
  const { parseYamlText } = await import('./yaml-text.ts');
  const parsed = parseYamlText(text, file);
  if (!parsed.ok) throw new Error(parsed.faults.join('; '));
  return parsed.value as JsonValue;
}

function fileNames({ type }: Secret): string[] {
  const sources =
    type.case === 'tlsCertificate'
      ? [type.value.certificateChain, type.value.privateKey]
      : type.case === 'validationContext'
        ? [type.value.trustedCa]
        : [];
  return sources.flatMap((source) => (source?.specifier.case === 'filename' ? [source.specifier.value] : []));
}
