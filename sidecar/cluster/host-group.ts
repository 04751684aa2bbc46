/** Hosts among which a balancer chooses freely: those of one priority (and one locality, when localities are weighted). Made anew when endpoints or their health change. */
import type { Random } from '../runtime/clock.ts';
import { EdfSchedule } from './edf-schedule.ts';
import type { RunningHost } from './running-host.ts';
import type { SlowStart } from './slow-start.ts';

export class HostGroup {
  /** Never empty. */
  readonly hosts: readonly RunningHost[];
  /** Not null when the hosts' weights differ, for now or always. */
  readonly schedule: EdfSchedule | null;
  /** Share of this group among the localities of its priority; smooth weighted round robin keeps its state beside it. */
  readonly localityWeight: number;
  currentLocalityWeight = 0;
  /** Where round robin stands. */
  next: number;

  constructor(
    hosts: readonly RunningHost[],
    localityWeight: number,
    random: Random,
    slowStart: SlowStart | null = null,
  ) {
    this.hosts = hosts;
    this.localityWeight = localityWeight;
    const slow = slowStart !== null && slowStart.anyIn(hosts) ? slowStart : null;
    this.schedule =
      slow !== null || hosts.some((host) => host.weight !== hosts[0]!.weight)
        ? new EdfSchedule(hosts, random, slow)
        : null;
    // Not the first host each time: with frequent updates it would get more than its share.
    this.next = Math.floor(random() * hosts.length);
  }
}
