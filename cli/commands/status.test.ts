import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { faultsKey } from '../../control-plane/xds-server/faults-key.ts';
import { ClientConfigSchema } from '../../proto/generated/envoy/service/status/v3/csds_pb.js';
import { faultLines, faultsOnPurpose } from './status.ts';

test('a NACK that names two listeners, told with each of them, is two lines', () => {
  const errorState = { details: 'listener "inbound": taken\nlistener "outbound": taken' };
  const config = create(ClientConfigSchema, {
    genericXdsConfigs: [{ name: 'inbound', errorState }, { name: 'outbound', errorState }, { name: 'fine' }],
  });
  expect(faultLines(config)).toEqual(['listener "inbound": taken', 'listener "outbound": taken']);
});

test('faults on purpose come with the node, as text only', () => {
  const config = create(ClientConfigSchema, { node: { metadata: { [faultsKey]: ['FaultPolicy shop/a', 1] } } });
  expect(faultsOnPurpose(config)).toEqual(['FaultPolicy shop/a']);
  expect(faultsOnPurpose(create(ClientConfigSchema))).toEqual([]);
});
