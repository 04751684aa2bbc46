import { expect, test } from 'vitest';
import { ManualTime } from '../connection-manager/test/manual-time.ts';
import { Log } from '../runtime/log.ts';
import { Crowding } from './crowding.ts';

function crowding(limit: number): { crowding: Crowding; time: ManualTime; lines: string[] } {
  const time = new ManualTime();
  const lines: string[] = [];
  return {
    crowding: new Crowding(time, new Log(time, 'info', false, (line) => lines.push(line)), () => limit),
    time,
    lines,
  };
}

test('leaves descriptors for the connections to services, and knows no bound where the system names none', () => {
  expect(crowding(1024).crowding.mostConnections).toBe(460);
  expect(crowding(Infinity).crowding.mostConnections).toBe(Infinity);
});

test('closes the connections that have rested longest, 16 at once', () => {
  const { crowding: crowd } = crowding(100);
  const closed: number[] = [];
  const idle = Array.from({ length: 40 }, (_, n) => ({
    idleSinceMs: (n * 7) % 40,
    closeIdle: () => closed.push((n * 7) % 40),
  }));
  expect(crowd.makeRoom(idle)).toBe(16);
  expect(closed).toEqual(Array.from({ length: 16 }, (_, n) => n));
  expect(crowd.makeRoom([])).toBe(0);
});

test('tells it at once, and then together what happens in ten seconds', () => {
  const { crowding: crowd, time, lines } = crowding(100);
  const one = [{ idleSinceMs: 0, closeIdle: () => {} }];
  for (let n = 0; n < 5; n++) crowd.makeRoom(one);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain('more than 45 connections are open');
  time.advance(10_000);
  crowd.makeRoom(one);
  expect(lines[1]).toContain('5 that had rested longest were closed to make room; raise the limit (ulimit -n)');
});
