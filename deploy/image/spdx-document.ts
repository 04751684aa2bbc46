/** What is in the image, as an SPDX 2.3 document: our program, Node, packages of npm and of Debian, each with its version. Says nothing of single files. */
import { createHash } from 'node:crypto';
import type { DebianPackage } from './debian-packages.ts';
import type { NpmPackage } from './npm-packages.ts';

export interface ImageContents {
  readonly version: string;
  readonly arch: string;
  readonly node: { readonly name: string; readonly version: string };
  readonly debian: readonly DebianPackage[];
  readonly npm: readonly NpmPackage[];
}

interface SpdxPackage {
  readonly SPDXID: string;
  readonly name: string;
  readonly versionInfo: string;
  readonly downloadLocation: 'NOASSERTION';
  readonly filesAnalyzed: false;
  readonly licenseConcluded: 'NOASSERTION';
  readonly licenseDeclared: string;
  readonly copyrightText: 'NOASSERTION';
  readonly externalRefs?: readonly {
    readonly referenceCategory: 'PACKAGE-MANAGER';
    readonly referenceType: 'purl';
    readonly referenceLocator: string;
  }[];
}

export function spdxDocument({ version, arch, node, debian, npm }: ImageContents): object {
  const purlName = (name: string): string => name.replace(/^@/, '%40');
  const main = spdxPackage('outrigger', version, 'Apache-2.0', null);
  const parts = [
    spdxPackage('node', node.version, 'MIT', `pkg:npm/${node.name}@${node.version}`),
    ...npm.map((one) =>
      spdxPackage(one.name, one.version, one.license, `pkg:npm/${purlName(one.name)}@${one.version}`),
    ),
    ...debian.map((one) =>
      spdxPackage(
        one.name,
        one.version,
        'NOASSERTION',
        `pkg:deb/debian/${one.name}@${encodeURIComponent(one.version)}?arch=${one.architecture}&distro=bookworm`,
      ),
    ),
  ];
  const packages = [main, ...new Map(parts.map((part) => [part.SPDXID, part])).values()];
  const digest = createHash('sha256').update(JSON.stringify(packages)).digest('hex');
  return {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: `outrigger-${version}-linux-${arch}`,
    // The same contents, the same name.
    documentNamespace: `https://outrigger.dev/spdx/${version}/${arch}/${digest.slice(0, 32)}`,
    creationInfo: { created: creationTime(), creators: ['Tool: outrigger-deploy-image'] },
    packages,
    relationships: [
      { spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: main.SPDXID },
      ...packages.slice(1).map(({ SPDXID }) => ({
        spdxElementId: main.SPDXID,
        relationshipType: 'CONTAINS',
        relatedSpdxElement: SPDXID,
      })),
    ],
  };
}

function spdxPackage(name: string, version: string, license: string, purl: string | null): SpdxPackage {
  return {
    SPDXID: `SPDXRef-${purl === null ? 'Package' : purl.slice(4, 7)}-${`${name}-${version}`.replace(/[^A-Za-z0-9.-]+/g, '-')}`,
    name,
    versionInfo: version,
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    licenseConcluded: 'NOASSERTION',
    licenseDeclared: license,
    copyrightText: 'NOASSERTION',
    ...(purl === null
      ? {}
      : {
          externalRefs: [
            { referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: purl } as const,
          ],
        }),
  };
}

/** SOURCE_DATE_EPOCH where it is set, so that builds can be repeated (reproducible-builds.org). */
function creationTime(): string {
  const epoch = process.env['SOURCE_DATE_EPOCH'];
  const ms = epoch !== undefined && /^\d+$/.test(epoch) ? Number(epoch) * 1000 : new Date().getTime();
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}
