/**
 * Tells, once each, what is wrong with the API server and that it is well again. Eleven watches fail together when it is away: that is one line. What only one kind is refused (no rule in a role, no CRD) is a line for that kind.
 */
import type { Logger } from 'pino';
import type { SourceFault } from '../configuration-files.ts';
import { faultWords, isRefusal } from './api-fault.ts';
import { kubernetesPlace } from './kubernetes-place.ts';
import { type Kept, type WatchedKind, watchRule } from './watched-kind.ts';

export class ApiHealth {
  readonly #url: string;
  readonly #log: Logger;
  readonly #everSynced: () => boolean;
  /** Kinds that cannot be asked about. */
  readonly #away = new Set<string>();
  #awayReason = '';
  /** What is wrong with one kind, in words. */
  readonly #refused = new Map<string, { readonly words: string; readonly isAbsent: boolean }>();

  constructor(url: string, log: Logger, everSynced: () => boolean) {
    this.#url = url;
    this.#log = log;
    this.#everSynced = everSynced;
  }

  /** `fault` null: the kind is well. */
  told(kind: WatchedKind<Kept>, fault: unknown): void {
    const { group, plural } = kind;
    const name = group === '' ? plural : `${plural}.${group}`;
    if (fault === null) {
      if (this.#refused.delete(name)) this.#log.info(`the API server lets us watch ${name} (again)`);
      this.#answers(name);
      return;
    }
    const isAnswer = isRefusal(fault);
    const words = faultWords(fault, watchRule(kind));
    if (!isAnswer) {
      if (this.#away.size === 0) {
        this.#awayReason = `the API server at ${this.#url} does not answer as it should (${words})`;
        this.#log.error(
          `${this.#awayReason}; ${this.#everSynced() ? 'what it said last stays in force' : 'nobody is served before everything was listed once'}; trying again`,
        );
      }
      this.#away.add(name);
      return;
    }
    this.#answers(name);
    if (this.#refused.get(name)?.words === words) return;
    const isAbsent = fault.status === 404 && kind.optional;
    this.#refused.set(name, { words, isAbsent });
    if (isAbsent)
      this.#log.warn(
        `${words}: there are no ${plural} until its CRD is installed (${group === 'outrigger.dev' ? 'kubectl apply --server-side -f deploy/crds' : "the Gateway API's own"})`,
      );
    else
      this.#log.error(
        `${words}; ${this.#everSynced() ? 'what was known of them stays in force' : 'nobody is served before they were listed once'}`,
      );
  }

  #answers(name: string): void {
    if (!this.#away.delete(name) || this.#away.size > 0) return;
    this.#awayReason = '';
    this.#log.info(`the API server at ${this.#url} is there again`);
  }

  /** A kind that is not installed is no fault. */
  get faults(): readonly SourceFault[] {
    const messages = [...this.#refused.values()].flatMap(({ words, isAbsent }) => (isAbsent ? [] : [words]));
    if (this.#awayReason !== '') messages.unshift(this.#awayReason);
    return messages.map((message) => ({
      ...kubernetesPlace,
      path: '',
      message,
      covered: true,
      meanwhile: 'what was known before stays in force',
    }));
  }
}
