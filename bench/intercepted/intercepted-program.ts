/** The scenarios of interception, inside of the network namespace that run-intercepted.ts made. Prints Markdown on stdout. `node intercepted-program.ts OPTIONS`, JSON. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stopAll } from '../../test/peers/started-program.ts';
import { startNginxBackend } from '../backend/nginx-backend.ts';
import { makeCertificates } from '../certificates.ts';
import { runScenario, type Timing } from '../measure/run-scenario.ts';
import { ratioSpread, type Spread, spread } from '../measure/statistics.ts';
import type { ContestantId } from '../proxy.ts';
import type { Backends } from '../scenarios.ts';
import { interceptedScenarios } from './intercepted-scenarios.ts';

const { ids, timing } = JSON.parse(process.argv[2]!) as { readonly ids: readonly string[]; readonly timing: Timing };
const tell = (text: string): void => console.error(`bench: ${text}`);
const folder = mkdtempSync(join(tmpdir(), 'outrigger-bench-'));
const figure = (found: Spread | null, digits: number): string =>
  found === null ? '?' : `${found.median.toFixed(digits)} (${found.min.toFixed(digits)}–${found.max.toFixed(digits)})`;

try {
  const certificates = makeCertificates(folder);
  const nginx = await startNginxBackend(folder, certificates);
  const backends: Backends = {
    nginx,
    // Nobody here asks for it.
    go: { httpPort: 0, grpcPort: 0 },
    proxyTls: certificates.proxy,
    collectors: { takesPort: 0, hangsPort: 0 },
    meshTls: certificates.betweenProxies,
    folder,
  };
  const lines = ['| scenario | | µs of CPU | per CPU second | ratio | wanted at most |', '|---|---|---|---|---|---|'];
  for (const { scenario, peers, reference } of interceptedScenarios) {
    if (!ids.includes(scenario.id)) continue;
    const results = await runScenario(scenario, peers, backends, timing, tell);
    const micros = (id: ContestantId): readonly number[] =>
      results.find(({ peer }) => peer === id)?.rounds.map((round) => round.cpuMicrosPerUnit) ?? [];
    for (const { peer, failure } of results) {
      if (failure !== '') {
        lines.push(`| ${scenario.id} | ${peer} | ${failure.replaceAll('|', '/')} | | | |`);
        process.exitCode = 1;
        continue;
      }
      const ratio = peer === reference ? '1' : figure(ratioSpread(micros(peer), micros(reference)), 2);
      const perSecond = figure(spread(micros(peer).map((each) => 1e6 / each)), 0);
      const goal = peer === reference ? '' : String(scenario.goal);
      lines.push(
        `| ${scenario.id} | ${peer} | ${figure(spread(micros(peer)), 1)} | ${perSecond} | ${ratio} | ${goal} |`,
      );
    }
  }
  console.log(lines.join('\n'));
} finally {
  await stopAll();
  rmSync(folder, { recursive: true, force: true });
}
