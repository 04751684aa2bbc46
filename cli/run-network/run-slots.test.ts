import { describe, expect, it } from 'vitest';
import { slotOf } from './run-slots.ts';

describe('slotOf', () => {
  it('gives each number names and addresses that no other has, within what the kernel takes', () => {
    const all = Array.from({ length: 4096 }, (_, number) => slotOf(number, '/run/outrigger/run-1'));
    expect(new Set(all.flatMap(({ hostAddress, ownAddress }) => [hostAddress, ownAddress])).size).toBe(8192);
    for (const { interfaceName, hostAddress } of all) {
      expect(interfaceName.length).toBeLessThanOrEqual(15);
      for (const part of hostAddress.split('.')) expect(Number(part)).toBeLessThan(256);
    }
    expect(all[65]).toMatchObject({
      hostAddress: '198.19.1.5',
      ownAddress: '198.19.1.6',
      folder: '/run/outrigger/run-1/65',
    });
  });
});
