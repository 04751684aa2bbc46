/**
 * `npm run bench`: Outrigger beside Envoy, nginx and haproxy, from equivalent configurations, in one run. Says on stderr what it does, writes
 * the report to --out, and prints its Markdown. Exit 1 when a scenario could not be measured for Outrigger or nothing was measured.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stopAll } from '../test/peers/started-program.ts';
import { startGoBackend } from './backend/go-backend.ts';
import { startNginxBackend } from './backend/nginx-backend.ts';
import { startOtlpSinks } from './backend/otlp-sink.ts';
import { makeCertificates } from './certificates.ts';
import { interceptedIds } from './intercepted/intercepted-scenarios.ts';
import { interceptedFault, runIntercepted } from './intercepted/run-intercepted.ts';
import { machineFacts } from './measure/machine-facts.ts';
import { runScenario } from './measure/run-scenario.ts';
import { runStarts } from './measure/run-starts.ts';
import { type BenchOptions, readOptions, UsageError, usage } from './options.ts';
import { envoy } from './peers/envoy.ts';
import { haproxy } from './peers/haproxy.ts';
import { nginx } from './peers/nginx.ts';
import { outrigger } from './peers/outrigger.ts';
import { preparePeers } from './prepare-peers.ts';
import type { PeerId, ProxyPeer } from './proxy.ts';
import type { BenchReport, ScenarioReport } from './report/bench-report.ts';
import { markdownReport } from './report/markdown-report.ts';
import { svgChart } from './report/svg-chart.ts';
import { type Backends, scenarios } from './scenarios.ts';

const everyPeer: Record<PeerId, ProxyPeer> = { outrigger, envoy, nginx, haproxy };
const tell = (text: string): void => console.error(`bench: ${text}`);

try {
  const options = readOptions(process.argv.slice(2), [...scenarios.map((scenario) => scenario.id), ...interceptedIds]);
  if (options === 'help') console.log(usage);
  else {
    const faults = await preparePeers(options.peers, tell);
    for (const fault of faults) tell(`${fault}; the benchmark needs it as a backend`);
    if (faults.length > 0) process.exitCode = 1;
    else await main(options);
  }
} catch (error) {
  console.error(error instanceof UsageError ? `bench: ${error.message}\n\n${usage}` : error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

async function main(options: BenchOptions): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-bench-'));
  const cleanUp = async (): Promise<void> => {
    await stopAll();
    rmSync(folder, { recursive: true, force: true });
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => void cleanUp().then(() => process.exit(130)));
  }
  try {
    const intercepted = options.scenarios.filter((id) => interceptedIds.includes(id));
    if (intercepted.length > 0) {
      // By themselves, and when they are named: they have a network and rules of their own.
      const fault =
        intercepted.length < options.scenarios.length ? 'scenarios of interception are run apart' : interceptedFault();
      if (fault !== '') throw new UsageError(fault);
      const markdown = await runIntercepted(intercepted, options.timing);
      mkdirSync(options.outFolder, { recursive: true });
      writeFileSync(join(options.outFolder, 'intercepted.md'), markdown);
      console.log(markdown);
      return;
    }
    const report = await measure(options, folder);
    mkdirSync(options.outFolder, { recursive: true });
    const markdown = markdownReport(report);
    writeFileSync(join(options.outFolder, 'report.json'), `${JSON.stringify(report, null, 1)}\n`);
    writeFileSync(join(options.outFolder, 'report.md'), markdown);
    writeFileSync(join(options.outFolder, 'chart.svg'), svgChart(report));
    console.log(markdown);
    tell(`wrote report.md, report.json and chart.svg to ${options.outFolder}`);
    const ours = report.scenarios.flatMap((scenario) =>
      scenario.results.filter((result) => result.peer === 'outrigger'),
    );
    const measured =
      report.scenarios.flatMap((scenario) => scenario.results).some((result) => result.failure === '') ||
      report.starts.some((start) => start.failure === '');
    if (!measured || ours.some((result) => result.failure !== '')) process.exitCode = 1;
  } finally {
    await cleanUp();
  }
}

async function measure(options: BenchOptions, folder: string): Promise<BenchReport> {
  const machine = machineFacts();
  const startedAt = new Date().toISOString();
  const present: ProxyPeer[] = [];
  const absent: { peer: PeerId; why: string }[] = [];
  for (const id of options.peers) {
    const why = everyPeer[id].missing();
    if (why === null) present.push(everyPeer[id]);
    else {
      absent.push({ peer: id, why });
      tell(`${id} takes no part: ${why}`);
    }
  }
  const certificates = makeCertificates(folder);
  const backends: Backends = {
    nginx: await startNginxBackend(folder, certificates),
    go: await startGoBackend(),
    collectors: await startOtlpSinks(),
    proxyTls: certificates.proxy,
    meshTls: certificates.betweenProxies,
    folder,
  };
  const wanted = (id: string, inQuick: boolean): boolean =>
    options.scenarios.length > 0 ? options.scenarios.includes(id) : inQuick || !options.quick;
  const starts = wanted('start', true) ? await runStarts(present, backends, options.starts, tell) : [];
  const reports: ScenarioReport[] = [];
  for (const scenario of scenarios) {
    if (!wanted(scenario.id, scenario.inQuick)) continue;
    const why = scenario.missing();
    if (why !== null) tell(`${scenario.id} is left out: ${why}`);
    const results = why === null ? await runScenario(scenario, present, backends, options.timing, tell) : [];
    const { id, title, kind, unit, goal, without } = scenario;
    reports.push({ id, title, kind, unit, goal, without, leftOut: why ?? '', results });
  }
  return {
    startedAt,
    quick: options.quick,
    timing: options.timing,
    machine,
    peers: present.map((peer) => ({ peer: peer.id, version: peer.version(), notes: peer.notes })),
    absent,
    starts,
    scenarios: reports,
  };
}
