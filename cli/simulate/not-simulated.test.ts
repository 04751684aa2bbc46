import { describe, expect, it } from 'vitest';
import { parseDocument } from '../../control-plane/config-kind/kind.ts';
import { notSimulated } from './not-simulated.ts';
import { trafficPolicy } from './test/played.ts';

describe('fields of a TrafficPolicy that nobody has tried in the simulator', () => {
  it.each([
    [{ inboundLimits: { maxRequests: 1, whatComesNext: 1 } }, 'spec.inboundLimits.whatComesNext'],
    [{ whatComesNext: true }, 'spec.whatComesNext'],
    [{ limits: { maxRequests: 1, perCaller: 3 } }, 'spec.limits.perCaller'],
  ])('are refused by their names: %j', (spec, path) => {
    const parsed = parseDocument(trafficPolicy({ retries: { attempts: 1 } }, 'orders'), {
      file: 'a',
      line: 1,
      column: 1,
    });
    const { resource } = parsed as Extract<typeof parsed, { resource: unknown }>;
    expect(notSimulated(resource, trafficPolicy(spec, 'orders')).map((fault) => fault.path.join('.'))).toEqual([path]);
    expect(notSimulated(resource, trafficPolicy({ hedging: { onPerTryTimeout: true } }, 'orders'))).toEqual([]);
  });
});
