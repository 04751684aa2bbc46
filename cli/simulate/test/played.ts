/** Simulations for tests, written as plain values: read as a file would be, and played. */

import { runSimulation } from '../run-simulation.ts';
import { readSimulation } from '../simulation-file.ts';
import type { EdgeTotal, ServiceTotal, SimulationResult, VariantResult } from '../simulation-result.ts';

export function simulationText(spec: object, ...documents: object[]): string {
  const described = {
    apiVersion: 'outrigger.dev/v1',
    kind: 'Simulation',
    metadata: { name: 'test', namespace: 'shop' },
    spec,
  };
  return [described, ...documents].map((each) => JSON.stringify(each, null, 1)).join('\n---\n');
}

export function trafficPolicy(spec: object, ...services: string[]): object {
  const [name = 'none'] = services;
  const targetRefs = services.map((service) => ({ kind: 'Service', name: service }));
  return {
    apiVersion: 'outrigger.dev/v1',
    kind: 'TrafficPolicy',
    metadata: { name, namespace: 'shop' },
    spec: { targetRefs, ...spec },
  };
}

export async function played(spec: object, ...documents: object[]): Promise<SimulationResult> {
  const read = readSimulation('test.yaml', simulationText(spec, ...documents), () => '');
  if ('faults' in read) throw new Error(JSON.stringify(read.faults));
  return runSimulation(read.simulation);
}

/** The only variant of it. */
export async function playedOnce(spec: object, ...documents: object[]): Promise<VariantResult> {
  return (await played(spec, ...documents)).variants[0]!;
}

export function edge({ edges }: VariantResult, from: string, to: string): EdgeTotal {
  return edges.find((each) => each.from === from && each.to === to)!;
}

export function service({ services }: VariantResult, name: string): ServiceTotal {
  return services.find((each) => each.service === name)!;
}
