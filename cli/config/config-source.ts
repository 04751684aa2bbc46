/** Where a configuration is read from: a sidecar's admin port, or a file with what one has said before. */
import type { JsonValue } from '@bufbuild/protobuf';
import { documentValue, readDocuments } from '../../yaml/read-documents.ts';
import { formatHostPort, type HostPort } from '../host-port.ts';
import { readUserFile } from '../read-file.ts';
import { noSidecar, sidecarJson } from '../sidecar-admin.ts';
import { UserError } from '../user-error.ts';
import { type ConfigResource, resourceKinds, resourcesOfDump, resourcesOfList } from './config-resource.ts';

/** In the order of their kinds, then of their names. Rejects with a UserError. */
export async function sidecarConfig(address: HostPort): Promise<ConfigResource[]> {
  const resources = resourcesOfDump((await sidecarJson(address, '/config_dump?include_eds')) as JsonValue);
  if (resources === null) throw noSidecar(formatHostPort(address), 'what answers there sends no configuration');
  return inOrder(resources);
}

/** What `outrigger config -o json|yaml` has printed, or /config_dump. Throws a UserError. */
export function fileConfig(file: string): ConfigResource[] {
  const value = valueOf(readUserFile(file));
  const resources = resourcesOfDump(value) ?? resourcesOfList(value);
  if (resources === null)
    throw new UserError(
      `${file}: is no configuration; make one by outrigger config -o json > FILE, or of /config_dump`,
    );
  return inOrder(resources);
}

/** JSON, of which there may be much, or YAML; null: neither. */
function valueOf(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    const { documents, fault } = readDocuments(text);
    const [document] = documents;
    if (document === undefined || documents.length > 1 || fault !== null || document.errors.length > 0) return null;
    return documentValue(document) as JsonValue;
  }
}

export function inOrder(resources: readonly ConfigResource[]): ConfigResource[] {
  const rank = ({ kind }: ConfigResource): number => resourceKinds.indexOf(kind);
  return resources.toSorted((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}
