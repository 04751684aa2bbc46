/** The demo's live table: every second the figures of its edges, and below them what is wrong with its configuration, as long as it is. */
import { escapeControls } from '../sidecar/runtime/log.ts';
import { type EdgeFigures, EdgeWatch, getText } from './edges.ts';
import type { Screen } from './screen.ts';

/** Elsewhere than on a terminal, where every table is new lines. */
const plainEvery = 5;
const maxFaults = 5;

export class LiveTable {
  readonly #screen: Screen;
  readonly #sidecarAdmins: readonly string[];
  readonly #controlPlaneAdmin: string;
  readonly #onTick: () => void;
  readonly #edges = new EdgeWatch();
  #timer: NodeJS.Timeout | null = null;
  #beforeMs = performance.now();
  #rounds = 0;

  /** `onTick`: each second. */
  constructor(screen: Screen, sidecarAdmins: readonly string[], controlPlaneAdmin: string, onTick: () => void) {
    this.#screen = screen;
    this.#sidecarAdmins = sidecarAdmins;
    this.#controlPlaneAdmin = controlPlaneAdmin;
    this.#onTick = onTick;
  }

  start(): void {
    this.#timer = setInterval(() => void this.#show(), 1_000);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  async #show(): Promise<void> {
    this.#onTick();
    const [faults, ...texts] = await Promise.all([
      getText(this.#controlPlaneAdmin, '/api/v1/faults'),
      ...this.#sidecarAdmins.map((admin) => getText(admin, '/stats/prometheus?filter=outrigger_request')),
    ]);
    const now = performance.now();
    const figures = this.#edges.look(texts, (now - this.#beforeMs) / 1000);
    this.#beforeMs = now;
    this.#rounds++;
    if (this.#timer === null || figures.length === 0) return;
    // Elsewhere than on a terminal the control plane's log says it.
    if (this.#screen.isTerminal)
      this.#screen.show([...tableLines(figures), ...faultLines(faults, this.#screen.columns)]);
    else if (this.#rounds % plainEvery === 0) this.#screen.show(tableLines(figures));
  }
}

/** From the control plane's list of faults; long ones are wrapped. */
export function faultLines(json: string, columns: number): string[] {
  let faults: ReadonlyArray<{ readonly text: string; readonly meanwhile: string }>;
  try {
    faults = JSON.parse(json) as typeof faults;
  } catch {
    return [];
  }
  if (faults.length === 0) return [];
  const here = `${process.cwd()}/`;
  const shown = faults
    .slice(0, maxFaults)
    .map(({ text, meanwhile }) => (meanwhile === '' ? text : `${text}; ${meanwhile}`))
    .flatMap((text) => wrap(escapeControls(text.replace(here, '')), columns));
  const more = faults.length > maxFaults ? [`    … and ${faults.length - maxFaults} more: outrigger validate`] : [];
  return ['', '  refused:', ...shown, ...more];
}

/** At spaces, indented; a longer word is left to be cut. */
function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '   ';
  for (const word of text.split(' ')) {
    if (line.trim() !== '' && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = '     ';
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}

function tableLines(figures: readonly EdgeFigures[]): string[] {
  const rows = figures.map(({ source, destination, requestsPerSecond, okShare, p50Ms, p99Ms, mutualTls }) =>
    [
      `  ${`${source} → ${destination}`.padEnd(26)}`,
      requestsPerSecond.toFixed(1).padStart(7),
      `${(Math.floor(okShare * 1000) / 10).toFixed(okShare === 1 ? 0 : 1)} %`.padStart(8),
      `${p50Ms.toFixed(1)} ms`.padStart(9),
      `${p99Ms.toFixed(1)} ms`.padStart(9),
      (mutualTls ? '✓' : '-').padStart(6),
    ].join(''),
  );
  return [
    `  ${'edge'.padEnd(26)}${'req/s'.padStart(7)}${'ok'.padStart(8)}${'p50'.padStart(9)}${'p99'.padStart(9)}${'mTLS'.padStart(6)}`,
    ...rows,
  ];
}
