/** When a stream to a control plane is opened again: at once but not all sidecars together when it had been answered (gRFC A57), else later from one failure to the next, with jitter. */
import type { Random } from '../runtime/clock.ts';
import { growingPauseMs } from '../runtime/growing-pause.ts';

const firstBackoffMs = 500;
/** Envoy waits up to 30 s. Until it is connected again, a proxy does not hear which endpoints have gone meanwhile: after an outage of the control plane it should. */
export const maxBackoffMs = 5_000;

/** `failures`: how many there were in a row before this one; -1: it was no failure. */
export function reconnectDelayMs(failures: number, random: Random): number {
  if (failures < 0) return random() * 200;
  return growingPauseMs(failures, firstBackoffMs, maxBackoffMs, random);
}
