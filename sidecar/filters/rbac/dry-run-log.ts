/** Says in the log what rules that are only tried would have denied: one line per policy in a while, with how many there were since. */
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { RequestView } from './request-view.ts';

const pauseMs = 10_000;

export class DryRunLog {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #byPolicy = new Map<string, { nextMs: number; untold: number }>();

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** `why`: `the policy …` or `no policy allows it`. */
  denied(policy: string, why: string, { head, path, connection, requestId }: RequestView): void {
    const nowMs = this.#clock.nowMs();
    let told = this.#byPolicy.get(policy);
    if (told === undefined) this.#byPolicy.set(policy, (told = { nextMs: -Infinity, untold: 0 }));
    if (nowMs < told.nextMs) {
      told.untold++;
      return;
    }
    const caller = connection.names?.[0] ?? connection.info.remoteAddress;
    const more = told.untold === 0 ? '' : `; so were ${told.untold} more since the last line of this policy`;
    this.#log.info(
      `dry run: ${head.method === '' ? 'a connection' : `${head.method} ${cut(head.authority)}${cut(path)}`} from ${cut(caller)} would be denied: ${why}; it was let pass${more}${requestId === '' ? '' : ` (request ${requestId})`}`,
    );
    told.nextMs = nowMs + pauseMs;
    told.untold = 0;
  }
}

function cut(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
