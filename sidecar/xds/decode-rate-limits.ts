/** `rate_limits` of routes and virtual hosts → how requests are described to limits. */
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import type { RateLimitActionConfig, RateLimitPolicyConfig } from '../config/rate-limit-config.ts';
import type { TypedExtensionConfig } from './api/envoy/config/core/v3/extension_pb.js';
import type {
  RateLimit,
  RateLimit_Action,
  RateLimit_Action_MetaData,
} from './api/envoy/config/route/v3/route_components_pb.js';
import { apiRegistry } from './api-registry.ts';
import { headerMatch, queryMatch } from './decode-route-match.ts';
import { bounded } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

/** Each is worked out for each request. */
const mostPolicies = 64;
const mostActions = 32;
export const mostStage = 10;

export function rateLimits(
  policies: readonly RateLimit[],
  path: string,
  faults: Faults,
): readonly RateLimitPolicyConfig[] {
  if (policies.length > mostPolicies) faults.add(path, `has ${policies.length} entries; ${mostPolicies} is the limit`);
  return policies.map((policy, i) => {
    const here = at(path, i);
    const { length } = policy.actions;
    if (length === 0 || length > mostActions)
      faults.add(at(here, 'actions'), `has ${length} entries; 1 to ${mostActions} are taken`);
    return Object.freeze({
      stage: bounded(policy.stage, 0, 0, mostStage, at(here, 'stage'), faults),
      actions: policy.actions.map((each, k) => action(each, at(at(here, 'actions'), k), faults)),
    });
  });
}

function action({ actionSpecifier }: RateLimit_Action, path: string, faults: Faults): RateLimitActionConfig {
  switch (actionSpecifier.case) {
    case 'sourceCluster':
      return { kind: 'source-cluster' };
    case 'destinationCluster':
      return { kind: 'destination-cluster' };
    case 'remoteAddress':
      return { kind: 'remote-address' };
    case 'maskedRemoteAddress': {
      const { v4PrefixMaskLen, v6PrefixMaskLen } = actionSpecifier.value;
      const here = at(path, 'masked_remote_address');
      return {
        kind: 'masked-remote-address',
        v4Bits: bounded(v4PrefixMaskLen, 32, 0, 32, at(here, 'v4_prefix_mask_len'), faults),
        v6Bits: bounded(v6PrefixMaskLen, 128, 0, 128, at(here, 'v6_prefix_mask_len'), faults),
      };
    }
    case 'genericKey': {
      const { descriptorKey, descriptorValue } = actionSpecifier.value;
      const value = text(descriptorValue, at(path, 'generic_key.descriptor_value'), faults);
      return { kind: 'generic-key', key: descriptorKey === '' ? 'generic_key' : descriptorKey, value };
    }
    case 'requestHeaders': {
      const { headerName, descriptorKey, skipIfAbsent } = actionSpecifier.value;
      const here = at(path, 'request_headers');
      return {
        kind: 'request-header',
        header: text(headerName, at(here, 'header_name'), faults).toLowerCase(),
        key: text(descriptorKey, at(here, 'descriptor_key'), faults),
        skipIfAbsent,
      };
    }
    case 'headerValueMatch': {
      const { descriptorKey, descriptorValue, expectMatch, headers } = actionSpecifier.value;
      const here = at(path, 'header_value_match');
      if (headers.length === 0) faults.add(at(here, 'headers'), 'needs at least one header');
      return {
        kind: 'header-match',
        key: descriptorKey === '' ? 'header_match' : descriptorKey,
        value: text(descriptorValue, at(here, 'descriptor_value'), faults),
        expectMatch: expectMatch ?? true,
        headers: headers.map((header, i) => headerMatch(header, at(at(here, 'headers'), i), faults)),
      };
    }
    case 'queryParameterValueMatch': {
      const { descriptorKey, descriptorValue, expectMatch, queryParameters } = actionSpecifier.value;
      const here = at(path, 'query_parameter_value_match');
      if (queryParameters.length === 0) faults.add(at(here, 'query_parameters'), 'needs at least one parameter');
      return {
        kind: 'query-match',
        key: descriptorKey === '' ? 'query_match' : descriptorKey,
        value: text(descriptorValue, at(here, 'descriptor_value'), faults),
        expectMatch: expectMatch ?? true,
        parameters: queryParameters.map((query, i) => queryMatch(query, at(at(here, 'query_parameters'), i), faults)),
      };
    }
    case 'metadata':
      return metadata(actionSpecifier.value, at(path, 'metadata'), faults);
    case 'extension':
      return extension(actionSpecifier.value, at(path, 'extension'), faults);
    default:
      faults.add(path, 'needs an action');
      return { kind: 'source-cluster' };
  }
}

function metadata(message: RateLimit_Action_MetaData, path: string, faults: Faults): RateLimitActionConfig {
  const { metadataKey, descriptorKey, defaultValue, skipIfAbsent, source } = message;
  if (source !== 0) faults.add(at(path, 'source'), 'only DYNAMIC is supported');
  const here = at(path, 'metadata_key');
  const segments = metadataKey?.path ?? [];
  if (segments.length === 0) faults.add(at(here, 'path'), 'needs at least one key');
  return {
    kind: 'metadata',
    key: text(descriptorKey, at(path, 'descriptor_key'), faults),
    namespace: text(metadataKey?.key ?? '', at(here, 'key'), faults),
    path: segments.map(({ segment }) => (segment.case === 'key' ? segment.value : '')),
    defaultValue,
    skipIfAbsent,
  };
}

/** Of the inputs that Envoy takes here, the one that says who calls. */
function extension(message: TypedExtensionConfig, path: string, faults: Faults): RateLimitActionConfig {
  const input = message.typedConfig === undefined ? undefined : anyUnpack(message.typedConfig, apiRegistry);
  if (input?.$typeName !== 'envoy.extensions.matching.common_inputs.ssl.v3.UriSanInput')
    faults.add(
      at(path, 'typed_config'),
      'only envoy.extensions.matching.common_inputs.ssl.v3.UriSanInput is supported',
    );
  return { kind: 'caller', key: text(message.name, at(path, 'name'), faults) };
}

function text(value: string, path: string, faults: Faults): string {
  if (value === '') faults.add(path, 'must not be empty');
  return value;
}
