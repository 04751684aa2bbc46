/** Plays a simulation: each variant in a fleet of its own, one after the other. */
import { Fleet } from './fleet.ts';
import type { Simulation } from './simulation.ts';
import type { SimulationResult, VariantResult } from './simulation-result.ts';

export async function runSimulation(
  simulation: Simulation,
  onWarning: (message: string) => void = () => {},
): Promise<SimulationResult> {
  const variants: VariantResult[] = [];
  const warned = new Set<string>();
  for (const variant of simulation.variants) {
    const fleet = await Fleet.create(simulation, variant);
    for (const warning of fleet.warnings) {
      if (!warned.has(warning)) onWarning(warning);
      warned.add(warning);
    }
    variants.push(fleet.run());
  }
  const { name, seed, durationMs, intervalMs } = simulation;
  return { name, seed, durationMs, intervalMs, variants };
}
