/** ConfigSource: everything dynamic comes by the one ADS stream. */
import { ApiVersion, type ConfigSource } from './api/envoy/config/core/v3/config_source_pb.js';
import { at, type Faults } from './fault.ts';

export function adsOnly(source: ConfigSource | undefined, path: string, faults: Faults): void {
  const specifier = source?.configSourceSpecifier.case;
  if (specifier !== 'ads' && specifier !== 'self')
    faults.add(path, 'only ads: {} is supported; see docs/xds-support.md');
  if (
    source !== undefined &&
    source.resourceApiVersion !== ApiVersion.V3 &&
    source.resourceApiVersion !== ApiVersion.AUTO
  )
    faults.add(at(path, 'resource_api_version'), 'only V3 is supported');
}
