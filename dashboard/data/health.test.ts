import { expect, it } from 'vitest';
import { edgeHealth, secured, serviceHealth } from './health.ts';

const edge = (requestsPerSecond: number, failuresPerSecond: number, breaker = '') => ({
  requestsPerSecond,
  failuresPerSecond,
  breaker,
});

it.each([
  ['without traffic', edge(0, 0), 'idle'],
  ['all well', edge(100, 0.9), 'good'],
  ['from 1 %', edge(100, 1), 'degraded'],
  ['from 5 %', edge(100, 5), 'failing'],
  ['with its breaker open, whatever passes', edge(0, 0, 'open'), 'failing'],
  ['with its breaker held open', edge(0, 0, 'forced_open'), 'failing'],
  ['with its breaker half open', edge(10, 0, 'half_open'), 'degraded'],
])('an edge %s', (_, row, health) => {
  expect(edgeHealth(row)).toBe(health);
});

it.each([
  ['by the sum of what comes to it', [edge(100, 0), edge(1, 0.5)], { endpoints: 1, healthyEndpoints: 1 }, 'degraded'],
  ['without a healthy instance', [edge(100, 0)], { endpoints: 2, healthyEndpoints: 0 }, 'failing'],
  ['with one instance down', [edge(100, 0)], { endpoints: 2, healthyEndpoints: 1 }, 'degraded'],
  ['that nobody calls', [], { endpoints: 2, healthyEndpoints: 2 }, 'idle'],
  ['that is outside of the mesh', [edge(1, 0)], undefined, 'good'],
])('a service %s', (_, edges, service, health) => {
  expect(serviceHealth(edges, service)).toBe(health);
});

it('all is mTLS, some, or none', () => {
  expect([1, 0.9996, 0.9, 0.001, 0, null].map(secured)).toEqual([...['all', 'all', 'some', 'some', 'none', 'unknown']]);
});
