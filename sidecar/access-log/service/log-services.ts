/** The services that take log entries, each once per configuration of it. Loaded when a configuration first has one. */
import type { LogServiceConfig } from '../../config/access-log-config.ts';
import { LingeringItems } from '../../runtime/lingering-items.ts';
import type { LogRecord } from '../log-record.ts';
import { AlsStream } from './als-stream.ts';
import type { LogService, LogServiceInit } from './log-service.ts';
import { otlpLog } from './otlp-log.ts';

export class LogServices {
  readonly #init: LogServiceInit;
  readonly #services: LingeringItems<LogService>;

  constructor(init: LogServiceInit) {
    this.#init = init;
    this.#services = new LingeringItems(init.wheel, init.lingerMs, (service) => service.close());
  }

  open(config: LogServiceConfig): (record: LogRecord) => void {
    return this.#services.get(JSON.stringify(config), () =>
      config.kind === 'als' ? new AlsStream(config, this.#init) : otlpLog(config, this.#init),
    ).take;
  }

  /** What is in no configuration any more ends when no connection of an older one can be left. */
  retain(configs: Iterable<LogServiceConfig>): void {
    const wanted = new Set([...configs].map((config) => JSON.stringify(config)));
    this.#services.retain((key) => wanted.has(key));
  }

  close(): Promise<void> {
    return this.#services.closeAll((service) => service.close());
  }
}
