/** Round robin: each host in turn, in proportion to the weights when they differ. */
import type { HostGroup } from './host-group.ts';
import type { RunningHost } from './running-host.ts';

export function roundRobin(group: HostGroup): RunningHost {
  if (group.schedule !== null) return group.schedule.next();
  const { hosts } = group;
  const at = group.next;
  group.next = at + 1 >= hosts.length ? 0 : at + 1;
  return hosts[at]!;
}
