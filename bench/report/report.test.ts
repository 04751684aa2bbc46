import { describe, expect, it } from 'vitest';
import type { PeerResult, RoundFigures } from '../measure/run-scenario.ts';
import { type BenchReport, ratioToEnvoy, type ScenarioReport } from './bench-report.ts';
import { markdownReport } from './markdown-report.ts';
import { svgChart } from './svg-chart.ts';

const round = (cpuMicrosPerUnit: number): RoundFigures => ({
  cpuMicrosPerUnit,
  requestsPerSecond: 1000,
  coreShare: 1,
  residentStartBytes: 2 ** 20,
  residentPeakBytes: 2 ** 21,
  p50Micros: null,
  p99Micros: null,
  p999Micros: null,
});
const good = (peer: PeerResult['peer'], ...cpu: number[]): PeerResult => ({
  peer,
  rounds: cpu.map(round),
  failure: '',
  tool: 'wrk',
});

function report(results: readonly PeerResult[]): BenchReport {
  const scenario: ScenarioReport = {
    id: 'http1',
    title: 'HTTP/1.1 <64>',
    kind: 'saturation',
    unit: 'request',
    goal: 0.7,
    without: null,
    leftOut: '',
    results,
  };
  return {
    startedAt: '2026-11-23T18:00:00.000Z',
    quick: false,
    timing: { warmUpSeconds: 1, windowSeconds: 1, rounds: 2 },
    machine: {
      processor: 'cpu',
      cores: 2,
      memoryGib: 4,
      system: 'system',
      kernel: '6',
      node: 'v26',
      pinned: true,
      loadBefore: 0,
    },
    peers: results.map(({ peer }) => ({ peer, version: '1', notes: '' })),
    absent: [],
    starts: [],
    scenarios: [scenario],
  };
}

describe('the report of the benchmark', () => {
  it('gives ratios round by round with their spread', () => {
    const whole = report([good('outrigger', 10, 30), good('envoy', 20, 50)]);
    expect(ratioToEnvoy(whole.scenarios[0]!, 'outrigger')).toMatchObject({ min: 0.5, max: 0.6 });
    expect(markdownReport(whole)).toContain('**0.55** (0.50–0.60)');
    expect(svgChart(whole)).toContain('HTTP/1.1 &lt;64&gt;');
  });

  it('refuses to give figures where requests failed, and says what failed', () => {
    const failed: PeerResult = {
      peer: 'outrigger',
      rounds: [],
      failure: '3 of 100 requests failed: 3 answers | were not 2xx',
      tool: 'wrk',
    };
    const whole = report([failed, good('envoy', 20, 50)]);
    expect(ratioToEnvoy(whole.scenarios[0]!, 'outrigger')).toBeNull();
    const text = markdownReport(whole);
    expect(text).toContain('failed, see below');
    expect(text).toContain('3 of 100 requests failed: 3 answers / were not 2xx');
  });

  it('gives what something costs against the scenario without it, where both were measured', () => {
    const whole = report([good('outrigger', 10, 12, 14), good('envoy', 20, 20, 20)]);
    const rules = { ...whole.scenarios[0]!, id: 'rules', without: 'http1', results: [good('outrigger', 13, 12.6)] };
    const text = markdownReport({ ...whole, scenarios: [...whole.scenarios, rules] });
    expect(text).toContain('Against itself in `http1` (medians): outrigger 1.07.');
    expect(markdownReport({ ...whole, scenarios: [rules] })).not.toContain('Against itself');
  });

  it('says so where Envoy is not there to compare with', () => {
    expect(markdownReport(report([good('outrigger', 10)]))).toContain('no Envoy');
  });
});
