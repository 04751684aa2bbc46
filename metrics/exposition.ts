/**
 * What a scraper is answered: metrics in the format that it takes, compressed if it wants that, piece by piece. A piece is made when the one before was taken, so whoever does not read costs one piece, however much
 * there is to tell, and between two pieces everything else has its turn.
 */
import type { MetricFamily } from './metric-family.ts';
import { chooseFormat, contentTypes, type MetricFormat, takesGzip } from './negotiate.ts';
import { type TextFormat, textPieces } from './text-format.ts';
import type { Turns } from './turns.ts';

export interface Exposition {
  readonly contentType: string;
  /** `content-encoding`; ''. */
  readonly contentEncoding: '' | 'gzip';
  /** To be read once. */
  readonly pieces: AsyncGenerator<Buffer, void, undefined>;
}

/** What is told in a format. Who has much to look through awaits `pause` between parts of it. */
export type Families = (
  format: MetricFormat,
  pause: () => Promise<void>,
) => Iterable<MetricFamily> | Promise<Iterable<MetricFamily>>;

/** `turns`: of all answers of the process. `families` is told the format before anything is read: native histograms are kept only once somebody takes them. */
export function expose(turns: Turns, families: Families, accept: string, acceptEncoding: string): Exposition {
  const format = chooseFormat(accept);
  const gzip = takesGzip(acceptEncoding);
  const plain = encoded(turns, families, format);
  return {
    contentType: contentTypes[format],
    contentEncoding: gzip ? 'gzip' : '',
    pieces: gzip ? compressed(plain) : plain,
  };
}

async function* encoded(
  turns: Turns,
  families: Families,
  format: MetricFormat,
): AsyncGenerator<Buffer, void, undefined> {
  const protobuf = format === 'protobuf' ? await import('./protobuf-format.ts') : null;
  await turns.next();
  const made = await families(format, () => turns.next());
  for (const piece of protobuf === null ? textPieces(made, format as TextFormat) : protobuf.protobufPieces(made)) {
    yield typeof piece === 'string' ? Buffer.from(piece) : piece;
    await turns.next();
  }
}

async function* compressed(pieces: AsyncGenerator<Buffer, void, undefined>): AsyncGenerator<Buffer, void, undefined> {
  const { createGzip } = await import('node:zlib');
  const gzip = createGzip();
  let made: Buffer[] = [];
  gzip.on('data', (chunk: Buffer) => made.push(chunk));
  const whole = Promise.withResolvers<void>();
  gzip.once('end', whole.resolve);
  gzip.once('error', whole.reject);
  // Nobody waits for it yet when a write fails, which says the same.
  whole.promise.catch(() => {});
  try {
    for await (const piece of pieces) {
      await new Promise<void>((resolve, reject) =>
        gzip.write(piece, (error) => (error === null || error === undefined ? resolve() : reject(error))),
      );
      if (made.length === 0) continue;
      yield Buffer.concat(made);
      made = [];
    }
    gzip.end();
    await whole.promise;
    yield Buffer.concat(made);
  } finally {
    gzip.destroy();
  }
}
