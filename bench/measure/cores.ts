/** Which core does what: the proxy has one to itself, load and backend share another. */
import { cpus } from 'node:os';
import { onPath } from '../../test/peers/peer-path.ts';

export const canPin: boolean = cpus().length > 1 && onPath('taskset') !== null;

export function onProxyCore(command: readonly string[]): string[] {
  return pinned(1, command);
}

export function onLoadCore(command: readonly string[]): string[] {
  return pinned(0, command);
}

function pinned(core: number, command: readonly string[]): string[] {
  return canPin ? ['taskset', '-c', String(core), ...command] : [...command];
}
