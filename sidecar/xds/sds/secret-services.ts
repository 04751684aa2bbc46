/** All secrets that come from services of their own (`api_config_source`): one stream each for as long as something refers to them. */
import { configurationSecrets } from '../../config/secret-references.ts';
import type { SecretReference } from '../../config/tls-config.ts';
import { SecretStream, type SecretStreamInit } from './secret-stream.ts';

export class SecretServices {
  readonly #init: Omit<SecretStreamInit, 'onSettled'>;
  readonly #streams = new Map<string, SecretStream>();
  readonly #waiting: Array<() => void> = [];
  /** Called whenever waiting for one of them is over. */
  onSettled: () => void = () => {};

  constructor(init: Omit<SecretStreamInit, 'onSettled'>) {
    this.#init = init;
  }

  /** Makes what is asked for that which these refer to; others of them than services are passed over. Never settles anything from inside this call. */
  want(references: Iterable<SecretReference>): void {
    const wanted = new Set<string>();
    for (const reference of references) {
      const { key, source } = reference;
      if (source.kind !== 'sds-service') continue;
      wanted.add(key);
      if (this.#streams.has(key)) continue;
      const stream = new SecretStream(reference, source, { ...this.#init, onSettled: () => this.#settled() });
      this.#streams.set(key, stream);
      stream.start();
    }
    for (const [key, stream] of this.#streams) {
      if (wanted.has(key)) continue;
      this.#streams.delete(key);
      stream.close();
    }
  }

  /** Waiting for that one is over; true also for those that come from elsewhere. */
  settled({ key, source }: SecretReference): boolean {
    return source.kind !== 'sds-service' || (this.#streams.get(key)?.settled ?? false);
  }

  /** Resolves when waiting for every one that is asked for now is over, or at the end. */
  async allSettled(): Promise<void> {
    while ([...this.#streams.values()].some(({ settled }) => !settled))
      await new Promise<void>((resolve) => void this.#waiting.push(resolve));
  }

  close(): void {
    for (const stream of this.#streams.values()) stream.close();
    this.#streams.clear();
    this.#wake();
  }

  #settled(): void {
    this.#wake();
    this.onSettled();
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** Whether anything of a configuration comes so. */
export function refersToServices(configuration: Parameters<typeof configurationSecrets>[0]): boolean {
  return configurationSecrets(configuration).some(({ source }) => source.kind === 'sds-service');
}
