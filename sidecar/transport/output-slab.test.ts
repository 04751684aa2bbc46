import { describe, expect, it } from 'vitest';
import { maxCopiedBytes, OutputSlab } from './output-slab.ts';

describe('OutputSlab', () => {
  it('starts its block over when every region was given back', () => {
    const slab = new OutputSlab();
    const block = slab.buffer;
    slab.ensure(100);
    slab.retain();
    slab.offset += 100;
    slab.retain();
    slab.offset += 50;
    slab.release(block, 1);
    expect(slab.offset).toBe(150);
    slab.release(block, 1);
    expect(slab.offset).toBe(0);
  });

  it('moves on to a fresh block when one is full, and does not count regions of the old one', () => {
    const slab = new OutputSlab();
    const old = slab.buffer;
    slab.retain();
    slab.offset = old.length - 10;
    slab.ensure(maxCopiedBytes);
    expect(slab.buffer).not.toBe(old);
    expect(slab.offset).toBe(0);
    slab.retain();
    slab.offset = 20;
    slab.release(old, 1);
    expect(slab.offset).toBe(20);
  });
});
