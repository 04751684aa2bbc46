import { expect, it } from 'vitest';
import { AdmissionControlSchema } from './api/envoy/extensions/filters/http/admission_control/v3/admission_control_pb.js';
import { admissionControl } from './decode-admission-control.ts';
import { decodeJson } from './test/decode-json.ts';

const decode = (json: unknown) =>
  decodeJson(AdmissionControlSchema, json, (message, path, faults) => admissionControl(message, 'ac', path, faults));

it("admission control has Envoy's defaults", () => {
  const { value, faults } = decode({ success_criteria: {} });
  expect(faults).toEqual([]);
  expect(value).toEqual({
    kind: 'admission-control',
    filterName: 'ac',
    enabled: true,
    windowMs: 30_000,
    aggression: 1,
    successThreshold: 0.95,
    requestsPerSecondThreshold: 0,
    maxRejection: 0.8,
    httpSuccess: [{ start: 100, end: 500 }],
    grpcSuccess: [0, 1, 2, 3, 5, 6, 7, 9, 11, 12, 16],
  });
});

it('and what a configuration says', () => {
  const { value } = decode({
    enabled: { default_value: false, runtime_key: 'x' },
    sampling_window: '10s',
    aggression: { default_value: 0.5, runtime_key: 'x' },
    sr_threshold: { default_value: { value: 50 } },
    rps_threshold: { default_value: 5 },
    max_rejection_probability: { default_value: { value: 10 } },
    success_criteria: {
      http_criteria: { http_success_status: [{ start: 200, end: 300 }] },
      grpc_criteria: { grpc_success_status: [0] },
    },
  });
  expect(value).toMatchObject({
    enabled: false,
    windowMs: 10_000,
    aggression: 1,
    successThreshold: 0.5,
    requestsPerSecondThreshold: 5,
    maxRejection: 0.1,
    httpSuccess: [{ start: 200, end: 300 }],
    grpcSuccess: [0],
  });
});

it('is refused by field', () => {
  expect(decode({ sampling_window: '0.5s', sr_threshold: { default_value: { value: 0 } } }).faults).toEqual([
    'success_criteria: is missing',
    'sampling_window: 500 is not between 1000 and 3600000',
    'sr_threshold.default_value.value: 0 is not between 1 and 100',
  ]);
  expect(
    decode({
      success_criteria: {
        http_criteria: { http_success_status: [{ start: 300, end: 200 }] },
        grpc_criteria: { grpc_success_status: [17] },
      },
    }).faults,
  ).toEqual([
    'success_criteria.http_criteria.http_success_status[0]: 300 to 200 is not a range of statuses (100 to 600)',
    'success_criteria.grpc_criteria.grpc_success_status[0]: 17 is not between 0 and 16',
  ]);
});
