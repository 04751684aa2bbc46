/** What one run found, as report.json holds it. Markdown and chart are drawn from it and add no figures of their own. */
import type { MachineFacts } from '../measure/machine-facts.ts';
import type { PeerResult, RoundFigures, Timing } from '../measure/run-scenario.ts';
import type { StartResult } from '../measure/run-starts.ts';
import { ratioSpread, type Spread, spread } from '../measure/statistics.ts';
import type { ContestantId } from '../proxy.ts';

export interface ScenarioReport {
  readonly id: string;
  readonly title: string;
  readonly kind: 'saturation' | 'latency';
  readonly unit: 'request' | 'message' | 'MiB';
  readonly goal: number | null;
  /** Id of the scenario that it is held against, beside Envoy. */
  readonly without: string | null;
  readonly leftOut: string;
  readonly results: readonly PeerResult[];
}

export interface BenchReport {
  readonly startedAt: string;
  readonly quick: boolean;
  readonly timing: Timing;
  readonly machine: MachineFacts;
  readonly peers: ReadonlyArray<{ readonly peer: ContestantId; readonly version: string; readonly notes: string }>;
  readonly absent: ReadonlyArray<{ readonly peer: ContestantId; readonly why: string }>;
  readonly starts: readonly StartResult[];
  readonly scenarios: readonly ScenarioReport[];
}

/** What a scenario's ratio compares: CPU time per unit, or p99. Less is better. */
export function mainFigure(scenario: ScenarioReport, round: RoundFigures): number {
  return scenario.kind === 'latency' ? (round.p99Micros ?? Number.NaN) : round.cpuMicrosPerUnit;
}

/** A peer's figure over Envoy's, round by round; null where either has none. */
export function ratioToEnvoy(scenario: ScenarioReport, peer: ContestantId): Spread | null {
  const figures = (id: ContestantId): number[] =>
    scenario.results.find((result) => result.peer === id)?.rounds.map((round) => mainFigure(scenario, round)) ?? [];
  return ratioSpread(figures(peer), figures('envoy'));
}

/** Medians over those of the scenario that is the same without what this one measures; null where either was not measured. */
export function ratioToWithout(report: BenchReport, scenario: ScenarioReport, peer: ContestantId): number | null {
  const median = (of: ScenarioReport | undefined): number => {
    const rounds = of?.results.find((result) => result.peer === peer)?.rounds ?? [];
    return spread(rounds.map((round) => mainFigure(of!, round)))?.median ?? Number.NaN;
  };
  const ratio = median(scenario) / median(report.scenarios.find(({ id }) => id === scenario.without));
  return Number.isNaN(ratio) ? null : ratio;
}
