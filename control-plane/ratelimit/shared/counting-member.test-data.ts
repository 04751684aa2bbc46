/** A control plane that counts, on a store and a clock that tests hold; and several of them. */
import { pino } from 'pino';
import { EtcdCounters } from './etcd-counters.ts';
import { FakeEtcd, ManualClock } from './fake-etcd.test-data.ts';

export const day = 86_400_000;

export class Member {
  readonly logged: string[] = [];
  readonly counters: EtcdCounters;
  readonly #wallMs: () => number;

  constructor(
    etcd: FakeEtcd,
    time: ManualClock,
    writer: string,
    options: { readonly aheadMs?: number; readonly maxCounters?: number; readonly maxOtherCounts?: number } = {},
  ) {
    const { aheadMs = 0, ...limits } = options;
    const clock = time.view(aheadMs);
    this.#wallMs = () => clock.wallMs();
    this.counters = new EtcdCounters({
      members: ['etcd-0:2379', 'etcd-1:2379'],
      connect: () => etcd.connect(),
      prefix: '/outrigger/',
      writer,
      clock,
      random: () => 1,
      log: pino(
        { base: null, timestamp: false, messageKey: 'message' },
        { write: (line) => void this.logged.push((JSON.parse(line) as { message: string }).message) },
      ),
      ...limits,
    });
    this.counters.start();
  }

  async hit(hits = 1, windowMs = day, key = 'k'): Promise<number> {
    return (await this.counters.add(key, hits, windowMs, this.#wallMs())).count;
  }
}

export function fleet(...names: readonly string[]) {
  const time = new ManualClock();
  const etcd = new FakeEtcd(time);
  const members = names.map((name) => new Member(etcd, time, name));
  return { time, etcd, members: members as [Member, Member, ...Member[]] };
}
