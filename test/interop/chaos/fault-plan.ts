/** Which faults happen when: a pure function of the seed. A deck of every kind of fault on every kind of part is shuffled, dealt to two lanes, and shuffled again; so each kind comes up, at a time and on a pod that the seed says. */

import { seededRandom } from '../../../cli/simulate/seeded-random.ts';
import type { FaultKind, Part, PartKind } from './records.ts';

export interface PlannedFault {
  readonly number: number;
  readonly kind: FaultKind;
  readonly part: Part;
  /** From the beginning of the script. It begins later when the lane or the part is not free yet. */
  readonly atMs: number;
  /** How long it lasts; of a kill: until the part is started again. */
  readonly durationMs: number;
}

/** Faults of one lane come one after the other; of two lanes at once. */
export type FaultPlan = readonly [readonly PlannedFault[], readonly PlannedFault[]];

export interface Layout {
  readonly controlPlane: string;
  readonly callers: readonly string[];
  /** Pods by service. */
  readonly services: ReadonlyMap<string, readonly string[]>;
}

type Where = 'service' | 'caller' | 'way' | 'control-plane';

interface Card {
  readonly kind: FaultKind;
  readonly where: Where;
  readonly part: PartKind;
  readonly durationMs: readonly [least: number, most: number];
}

/** Longer than a registration lives without a heartbeat, and longer than a request may take (15 s each): nobody may be taken for dead because the control plane was; and who is dead must be found before requests time out. */
const longMs = [17_000, 19_000] as const;

function cards(
  kind: FaultKind,
  durationMs: readonly [number, number],
  places: ReadonlyArray<readonly [Where, PartKind]>,
): readonly Card[] {
  return places.map(([where, part]) => ({ kind, where, part, durationMs }));
}

const deck: readonly Card[] = [
  ...cards(
    'kill',
    [300, 3_000],
    [
      ['service', 'app'],
      ['service', 'sidecar'],
      ['service', 'pod'],
      ['caller', 'sidecar'],
      ['control-plane', 'control-plane'],
    ],
  ),
  ...cards(
    'stop',
    [500, 4_000],
    [
      ['service', 'app'],
      ['service', 'sidecar'],
      ['service', 'pod'],
      ['caller', 'sidecar'],
    ],
  ),
  ...cards('stop', longMs, [
    ['control-plane', 'control-plane'],
    ['service', 'sidecar'],
  ]),
  ...cards(
    'partition',
    [1_000, 6_000],
    [
      ['service', 'link'],
      ['caller', 'link'],
      ['way', 'link'],
    ],
  ),
  ...cards('partition', longMs, [
    ['control-plane', 'link'],
    ['service', 'link'],
  ]),
  ...cards(
    'slow',
    [2_000, 5_000],
    [
      ['service', 'link'],
      ['service', 'app'],
      ['service', 'sidecar'],
      ['caller', 'sidecar'],
      ['control-plane', 'control-plane'],
    ],
  ),
  ...cards(
    'restart',
    [0, 0],
    [
      ['service', 'app'],
      ['service', 'sidecar'],
      ['service', 'pod'],
      ['caller', 'sidecar'],
      ['control-plane', 'control-plane'],
    ],
  ),
];

/** Until a process that was started serves, on a machine that has other things to do. */
const startMs = 2_500;
const pauseMs = [500, 2_000] as const;

/** Faults that begin within `seconds`, fewer for the last ones that would not end in time. */
export function planFaults(seed: number, seconds: number, layout: Layout): FaultPlan {
  const random = seededRandom(seed, 'faults');
  const within = ([least, most]: readonly [number, number]): number => Math.floor(least + random() * (most - least));
  const lanes: readonly [PlannedFault[], PlannedFault[]] = [[], []];
  const freeAtMs: [number, number] = [500, 1_500];
  let waiting: Card[] = [];
  for (let number = 1; ; number++) {
    if (waiting.length === 0) waiting = shuffled(deck, random);
    const lane = freeAtMs[0] <= freeAtMs[1] ? 0 : 1;
    const atMs = freeAtMs[lane];
    if (atMs > seconds * 1000) return lanes;
    const elsewhere = lanes[lane === 0 ? 1 : 0].at(-1);
    const busy = elsewhere === undefined || endMs(elsewhere) < atMs ? [] : groupsOf(elsewhere, layout);
    const at = waiting.findIndex((card) => candidates(card, busy, layout).length > 0);
    if (at < 0) {
      // Those that are left are all for what the other lane is at.
      freeAtMs[lane] = endMs(elsewhere!) + 1;
      number--;
      continue;
    }
    const [card] = waiting.splice(at, 1) as [Card];
    const parts = candidates(card, busy, layout);
    const part = parts[Math.floor(random() * parts.length)]!;
    const fault = { number, kind: card.kind, part, atMs, durationMs: within(card.durationMs) };
    lanes[lane].push(fault);
    freeAtMs[lane] = endMs(fault) + within(pauseMs);
  }
}

function endMs(fault: PlannedFault): number {
  return fault.atMs + fault.durationMs + (fault.kind === 'kill' || fault.kind === 'restart' ? startMs : 0);
}

const callersGroup = 'callers';
const controlPlaneGroup = 'control plane';

/** Two faults at once have no group in common: of one service there is always who can answer, and a caller's sidecar that starts has a control plane; it would have no load to look at until then. */
export function groupsOf({ kind, part }: Pick<PlannedFault, 'kind' | 'part'>, layout: Layout): readonly string[] {
  for (const [service, pods] of layout.services)
    if (pods.includes(part.pod) || pods.includes(part.peer)) return [service];
  if (!layout.callers.includes(part.pod)) return [controlPlaneGroup];
  return kind === 'kill' || kind === 'restart' ? [callersGroup, controlPlaneGroup] : [callersGroup];
}

function candidates({ kind, where, part }: Card, busy: readonly string[], layout: Layout): readonly Part[] {
  const pods = [...layout.services.values()].flat();
  const on = (pod: string, peer = ''): Part => ({ kind: part, pod, peer });
  const parts = {
    service: () => pods.map((pod) => on(pod)),
    caller: () => layout.callers.map((pod) => on(pod)),
    way: () => layout.callers.flatMap((caller) => pods.map((pod) => on(caller, pod))),
    'control-plane': () => [on(layout.controlPlane)],
  }[where]();
  return parts.filter((each) => !groupsOf({ kind, part: each }, layout).some((group) => busy.includes(group)));
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const left = [...items];
  for (let i = left.length - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1));
    [left[i], left[other]] = [left[other]!, left[i]!];
  }
  return left;
}
