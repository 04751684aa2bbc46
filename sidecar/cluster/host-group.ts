/** Hosts among which a balancer chooses freely: those of one priority (and one locality, when localities are weighted). Made anew when endpoints change. */
import type { Random } from '../runtime/clock.ts';
import { EdfSchedule } from './edf-schedule.ts';
import type { RunningHost } from './running-host.ts';

export class HostGroup {
  /** Never empty. */
  readonly hosts: readonly RunningHost[];
  /** Not null when the hosts' weights differ. */
  readonly schedule: EdfSchedule | null;
  /** Share of this group among the localities of its priority; smooth weighted round robin keeps its state beside it. */
  readonly localityWeight: number;
  currentLocalityWeight = 0;
  /** Where round robin stands. */
  next: number;

  constructor(hosts: readonly RunningHost[], localityWeight: number, random: Random) {
    this.hosts = hosts;
    this.localityWeight = localityWeight;
    this.schedule = hosts.some((host) => host.weight !== hosts[0]!.weight) ? new EdfSchedule(hosts, random) : null;
    // Not the first host each time: with frequent updates it would get more than its share.
    this.next = Math.floor(random() * hosts.length);
  }
}
