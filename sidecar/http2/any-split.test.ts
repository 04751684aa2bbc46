/** Property: however the bytes are split into reads, the same events come out. */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { FrameReader, type FrameSink } from './frame-reader.ts';
import { frame, preface } from './test/raw-peer.ts';

/** Writes events down; pieces of DATA are joined, because where they are cut is not an event. */
class Recorder implements FrameSink {
  isReading = true;
  readonly events: string[] = [];
  #data = '';

  onFrameHeader(): void {}
  onDataStart(streamId: number, length: number, endStream: boolean): boolean {
    this.#flush();
    this.events.push(`data ${streamId} ${length} ${endStream}`);
    return true;
  }
  onDataPiece(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    this.#data += bytes.toString('hex', start, end);
    if (endStream) {
      this.#flush();
      this.events.push('end');
    }
  }
  onDataPadding(bytes: number): void {
    this.events.push(`padding ${bytes}`);
  }
  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    this.#flush();
    this.events.push(`${type} ${flags} ${streamId} ${bytes.toString('hex', start, end)}`);
  }
  done(): string[] {
    this.#flush();
    return this.events;
  }
  #flush(): void {
    if (this.#data !== '') this.events.push(this.#data);
    this.#data = '';
  }
}

function read(chunks: readonly Buffer[]): string[] {
  const recorder = new Recorder();
  const reader = new FrameReader(recorder, 16_384, true);
  for (const chunk of chunks) reader.read(chunk);
  return recorder.done();
}

it('any split of the bytes gives the same events', () => {
  const id = fc.integer({ min: 0, max: 0x7fff_ffff });
  const bytes = fc.uint8Array({ maxLength: 40 }).map((raw) => Buffer.from(raw));
  const data = fc
    .tuple(id, bytes, fc.nat({ max: 20 }), fc.boolean(), fc.boolean())
    .map(([streamId, payload, padding, padded, end]) =>
      padded
        ? frame(0, 8 | (end ? 1 : 0), streamId, Buffer.concat([Buffer.from([padding]), payload, Buffer.alloc(padding)]))
        : frame(0, end ? 1 : 0, streamId, payload),
    );
  const other = fc
    .tuple(fc.integer({ min: 1, max: 255 }), fc.nat({ max: 255 }), id, bytes)
    .map(([type, flags, streamId, payload]) => frame(type, flags, streamId, payload));
  fc.assert(
    fc.property(
      fc.array(fc.oneof(data, other), { maxLength: 12 }),
      fc.array(fc.nat({ max: 60 }), { maxLength: 60 }),
      (frames, sizes) => {
        const all = Buffer.concat([Buffer.from(preface), ...frames]);
        const chunks: Buffer[] = [];
        let at = 0;
        for (const size of sizes) {
          chunks.push(all.subarray(at, at + size));
          at += Math.min(size, all.length - at);
        }
        chunks.push(all.subarray(at));
        const single = Array.from(all, (_, i) => all.subarray(i, i + 1));
        const whole = read([all]);
        expect(read(chunks)).toEqual(whole);
        expect(read(single)).toEqual(whole);
      },
    ),
    { numRuns: 300 },
  );
});
