/** Trust bundles of other trust domains, from files: PEM, or a SPIFFE bundle document (JSON). */
import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import { trustBundleFromDocument, trustBundleFromPem } from '../../certs/spiffe/trust-bundle.ts';
import type { TrustedBundles } from '../../certs/spiffe/trusted-bundles.ts';
import { WatchedText } from './watched-text.ts';

export interface FederatedFile {
  readonly trustDomain: string;
  readonly file: string;
}

export class FederatedBundles {
  readonly #texts: readonly WatchedText[];
  readonly #trustDomains: readonly string[];

  /** Reads them all. `onChange`: after any has changed, not from within here. Throws an Error that names the file. */
  constructor(files: readonly FederatedFile[], bundles: TrustedBundles, onChange: () => void) {
    let started = false;
    this.#trustDomains = files.map(({ trustDomain }) => trustDomain);
    this.#texts = files.map(
      ({ trustDomain, file }) =>
        new WatchedText(
          () => readFederated(trustDomain, file),
          (text) => {
            try {
              bundles.federate(
                text.trimStart().startsWith('{')
                  ? trustBundleFromDocument(trustDomain, text)
                  : trustBundleFromPem(trustDomain, text),
              );
            } catch (error) {
              throw new Error(`--federate ${trustDomain}=${file}: ${(error as Error).message}`);
            }
            if (started) onChange();
          },
        ),
    );
    started = true;
  }

  /** Why the file of a trust domain as it is now is not in use; '' when it is. */
  fault(trustDomain: string): string {
    return this.#texts[this.#trustDomains.indexOf(trustDomain)]?.fault ?? '';
  }

  check(log: Logger): void {
    for (const text of this.#texts) text.check(log);
  }
}

function readFederated(trustDomain: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(`--federate ${trustDomain}=${file}: ${(error as Error).message}`);
  }
}
