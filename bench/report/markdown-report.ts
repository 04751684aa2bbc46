/** The report that a person reads: ratios to Envoy first, then the figures behind them. */
import type { PeerResult } from '../measure/run-scenario.ts';
import { type Spread, spread } from '../measure/statistics.ts';
import { type BenchReport, ratioToEnvoy, ratioToWithout, type ScenarioReport } from './bench-report.ts';

const mebibyte = 2 ** 20;

export function markdownReport(report: BenchReport): string {
  return [
    `# Benchmark of ${report.startedAt.slice(0, 16).replace('T', ' ')} UTC${report.quick ? ' (quick)' : ''}`,
    ...conditions(report),
    ...table('CPU time, Envoy = 1 (less is better)', report, 'saturation'),
    ...table('p99 latency at a fixed rate, Envoy = 1 (less is better)', report, 'latency'),
    ...starts(report),
    ...memory(report),
    ...report.scenarios.flatMap((scenario) => [...details(scenario), ...besideWithout(report, scenario)]),
    '',
  ].join('\n');
}

function conditions(report: BenchReport): string[] {
  const { machine, timing } = report;
  const cores = machine.pinned
    ? 'The proxy has core 1 to itself; load and backend share core 0.'
    : 'Nothing was pinned to a core (one core, or no taskset): compare with care.';
  const others =
    machine.loadBefore > 0.5
      ? ` **Others were working on the machine (load average ${machine.loadBefore}) when the run began.**`
      : '';
  const stoodIn = report.scenarios
    .filter((scenario) => scenario.results.some((result) => result.tool === 'autocannon'))
    .map((scenario) => scenario.id);
  return [
    '',
    `${machine.processor}, ${machine.cores} cores, ${machine.memoryGib} GiB, ${machine.system}, Linux ${machine.kernel}, Node ${machine.node}. ${cores}${others}`,
    '',
    `Each proxy: one worker, access log off, keep-alive both sides, a route by header, a route by prefix with a weighted choice (the one that is used). ` +
      `${timing.rounds} rounds of ${timing.windowSeconds} s in which the proxies take turns, after ${timing.warmUpSeconds} s of warm-up. CPU time is user and system time of the proxy, all threads and children. ` +
      `Ratios are medians of the rounds with the least and the greatest in brackets. A scenario in which one request failed has no figures.`,
    '',
    ...report.peers.map(({ peer, version, notes }) => `- ${peer} ${version}${notes === '' ? '' : `: ${notes}`}`),
    ...report.absent.map(({ peer, why }) => `- ${peer}: not here; ${why}`),
    ...(stoodIn.length === 0
      ? []
      : [
          `- autocannon stood in for wrk or h2load in ${stoodIn.join(', ')}: it uses more CPU than the proxies, so throughput there says little`,
        ]),
    ...report.scenarios
      .filter((scenario) => scenario.leftOut !== '')
      .map((scenario) => `- ${scenario.id}: left out; ${scenario.leftOut}`),
  ];
}

function table(title: string, report: BenchReport, kind: ScenarioReport['kind']): string[] {
  const scenarios = report.scenarios.filter((scenario) => scenario.kind === kind && scenario.leftOut === '');
  if (scenarios.length === 0) return [];
  const peers = report.peers.map(({ peer }) => peer);
  return [
    '',
    `## ${title}`,
    '',
    `| scenario | ${peers.join(' | ')} | wanted of outrigger |`,
    `|---|${peers.map(() => '---|').join('')}---|`,
    ...scenarios.map((scenario) => {
      const cells = peers.map((peer) => {
        const result = scenario.results.find((candidate) => candidate.peer === peer);
        if (result === undefined) return '';
        if (result.failure !== '') return 'failed, see below';
        const ratio = ratioToEnvoy(scenario, peer);
        return ratio === null ? 'no Envoy' : ratioText(ratio);
      });
      return `| ${scenario.title} | ${cells.join(' | ')} | ${scenario.goal === null ? '' : `≤ ${scenario.goal.toFixed(2)}`} |`;
    }),
  ];
}

function starts(report: BenchReport): string[] {
  if (report.starts.length === 0) return [];
  return [
    '',
    '## Start',
    '',
    '| proxy | ready after exec, ms | resident when idle, MiB |',
    '|---|---|---|',
    ...report.starts.map((start) =>
      start.failure === ''
        ? `| ${start.peer} | ${figureText(spread(start.readyMs), 0)} | ${figureText(spread(start.residentIdleBytes.map((bytes) => bytes / mebibyte)), 0)} |`
        : `| ${start.peer} | failed: ${oneLine(start.failure)} | |`,
    ),
    '',
    'Ready: a 200 to `/ready` of the admin port; nginx and haproxy, which have none, the first answer through the proxy.',
  ];
}

function memory(report: BenchReport): string[] {
  const scenarios = report.scenarios.filter((scenario) => scenario.results.some((result) => result.rounds.length > 0));
  if (scenarios.length === 0) return [];
  const peers = report.peers.map(({ peer }) => peer);
  return [
    '',
    '## Resident memory under load, peak in MiB (growth during the measured rounds)',
    '',
    `| scenario | ${peers.join(' | ')} |`,
    `|---|${peers.map(() => '---|').join('')}`,
    ...scenarios.map(
      (scenario) =>
        `| ${scenario.id} | ${peers.map((peer) => memoryText(scenario.results.find((result) => result.peer === peer))).join(' | ')} |`,
    ),
  ];
}

function memoryText(result: PeerResult | undefined): string {
  if (result === undefined || result.rounds.length === 0) return '';
  const peak = Math.max(...result.rounds.map((round) => round.residentPeakBytes));
  const growth = peak - result.rounds[0]!.residentStartBytes;
  return `${(peak / mebibyte).toFixed(0)} (+${(growth / mebibyte).toFixed(0)})`;
}

function details(scenario: ScenarioReport): string[] {
  if (scenario.leftOut !== '') return [];
  const fixed = scenario.kind === 'latency';
  const head = fixed
    ? '| proxy | p50 µs | p99 µs | p99.9 µs | CPU µs per request | requests/s |'
    : `| proxy | CPU µs per ${scenario.unit} | requests/s | share of its core |`;
  return [
    '',
    `## ${scenario.id}: ${scenario.title}`,
    '',
    head,
    head.replace(/[^|]+/g, '---'),
    ...scenario.results.map((result) => {
      if (result.failure !== '') return `| ${result.peer} | ${oneLine(result.failure)} |${fixed ? ' | | | |' : ' | |'}`;
      const of = (pick: (round: PeerResult['rounds'][number]) => number | null, digits: number): string =>
        figureText(spread(result.rounds.map(pick).filter((value) => value !== null)), digits);
      const cpu = of((round) => round.cpuMicrosPerUnit, scenario.unit === 'MiB' ? 0 : 1);
      const rate = of((round) => round.requestsPerSecond, 0);
      return fixed
        ? `| ${result.peer} | ${of((round) => round.p50Micros, 0)} | ${of((round) => round.p99Micros, 0)} | ${of((round) => round.p999Micros, 0)} | ${cpu} | ${rate} |`
        : `| ${result.peer} | ${cpu} | ${rate} | ${of((round) => round.coreShare * 100, 0)} % |`;
    }),
  ];
}

/** What it costs by itself: each proxy against itself without it. */
function besideWithout(report: BenchReport, scenario: ScenarioReport): string[] {
  const ratios = scenario.results.flatMap(({ peer }) => {
    const ratio = ratioToWithout(report, scenario, peer);
    return ratio === null ? [] : [`${peer} ${ratio.toFixed(2)}`];
  });
  return ratios.length === 0 ? [] : ['', `Against itself in \`${scenario.without}\` (medians): ${ratios.join(', ')}.`];
}

function ratioText(ratio: Spread): string {
  return ratio.min === ratio.max
    ? ratio.median.toFixed(2)
    : `**${ratio.median.toFixed(2)}** (${ratio.min.toFixed(2)}–${ratio.max.toFixed(2)})`;
}

function figureText(figure: Spread | null, digits: number): string {
  if (figure === null) return '–';
  const text = (value: number): string => value.toFixed(digits);
  return text(figure.min) === text(figure.max)
    ? text(figure.median)
    : `${text(figure.median)} (${text(figure.min)}–${text(figure.max)})`;
}

/** Fit for a table cell. */
function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').replaceAll('|', '/').slice(0, 300);
}
