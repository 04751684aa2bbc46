/** Values of Envoy's API that several resources share. */
import { create } from '@bufbuild/protobuf';
import { type Duration, DurationSchema } from '@bufbuild/protobuf/wkt';
import { type Address, AddressSchema } from '../../proto/generated/envoy/config/core/v3/address_pb.js';
import {
  ApiVersion,
  type ConfigSource,
  ConfigSourceSchema,
} from '../../proto/generated/envoy/config/core/v3/config_source_pb.js';

export function durationOf(ms: number): Duration {
  return create(DurationSchema, { seconds: BigInt(Math.floor(ms / 1000)), nanos: Math.round(ms % 1000) * 1_000_000 });
}

export function socketAddress(address: string, port: number): Address {
  return create(AddressSchema, {
    address: { case: 'socketAddress', value: { address, portSpecifier: { case: 'portValue', value: port } } },
  });
}

/** From the same ADS stream. */
export function fromAds(): ConfigSource {
  return create(ConfigSourceSchema, {
    resourceApiVersion: ApiVersion.V3,
    configSourceSpecifier: { case: 'ads', value: {} },
  });
}
