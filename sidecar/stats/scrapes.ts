/** What scrapers of this sidecar are answered: its statistics and the figures of the process, in the format that each takes. Loaded when the first one comes. */
import { type Exposition, expose } from '../../metrics/exposition.ts';
import { ProcessFigures } from '../../metrics/process-figures.ts';
import { Turns } from '../../metrics/turns.ts';
import { type StatsWanted, statFamilies } from './stat-families.ts';
import type { StatStore } from './stat-store.ts';

/** What a scraper asked for. */
export interface ScrapeRequest extends StatsWanted {
  readonly accept: string;
  readonly acceptEncoding: string;
}

export class Scrapes {
  readonly #stats: StatStore;
  readonly #process: ProcessFigures;
  readonly #turns = new Turns();

  constructor(stats: StatStore, version: string) {
    this.#stats = stats;
    this.#process = new ProcessFigures(version);
  }

  answer(request: ScrapeRequest): Exposition {
    return expose(
      this.#turns,
      async (format, pause) => {
        if (format === 'protobuf') this.#stats.keepNativeHistograms();
        const { filter } = request;
        const process = this.#process.families().filter(({ name }) => filter === null || filter.test(name));
        const looking = statFamilies(this.#stats, request);
        let step = looking.next();
        for (; step.done !== true; step = looking.next()) await pause();
        return [...step.value, ...process];
      },
      request.accept,
      request.acceptEncoding,
    );
  }

  close(): void {
    this.#process.close();
  }
}
