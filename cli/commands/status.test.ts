import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { ClientConfigSchema } from '../../proto/generated/envoy/service/status/v3/csds_pb.js';
import { faultLines } from './status.ts';

test('a NACK that names two listeners, told with each of them, is two lines', () => {
  const errorState = { details: 'listener "inbound": taken\nlistener "outbound": taken' };
  const config = create(ClientConfigSchema, {
    genericXdsConfigs: [{ name: 'inbound', errorState }, { name: 'outbound', errorState }, { name: 'fine' }],
  });
  expect(faultLines(config)).toEqual(['listener "inbound": taken', 'listener "outbound": taken']);
});
