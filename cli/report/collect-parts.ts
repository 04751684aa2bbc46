/** Takes the parts of a report within bounds: of each in size and time, of all together in size. A part that fails, hangs or is too large is named, and the others come all the same. */
import { maskFile, maskText, type TextKind } from './mask-secrets.ts';

export interface Part {
  /** Its file in the archive. */
  readonly name: string;
  readonly kind: TextKind;
  /** Rejects with why there is none. Should end when the signal says so; is not waited for if it does not. */
  readonly take: (signal: AbortSignal) => Promise<string> | string;
}

export interface TakenPart {
  readonly name: string;
  readonly outcome: 'taken' | 'cut' | 'missing' | 'hung' | 'too large';
  /** In the archive. */
  readonly bytes: number;
  /** Why it is not there, or not whole; ''. */
  readonly why: string;
  readonly ms: number;
}

export interface CollectOptions {
  readonly timeoutMs: number;
  readonly maxPartBytes: number;
  readonly maxBytes: number;
  readonly nowMs: () => number;
}

export interface Collected {
  readonly files: ReadonlyArray<{ readonly name: string; readonly bytes: Buffer }>;
  readonly parts: readonly TakenPart[];
}

/** At a time. */
const concurrency = 4;

export async function collectParts(parts: readonly Part[], options: CollectOptions): Promise<Collected> {
  const files: Array<{ name: string; bytes: Buffer }> = [];
  const taken: TakenPart[] = [];
  let left = options.maxBytes;
  const rest = parts.entries();
  const worker = async (): Promise<void> => {
    for (const [at, part] of rest) {
      const startedMs = options.nowMs();
      const { outcome, why, text } = await takePart(part, options);
      const bytes = Buffer.from(text);
      const fits = bytes.length <= left;
      const ms = Math.round(options.nowMs() - startedMs);
      if (text !== '' && fits) {
        left -= bytes.length;
        files.push({ name: part.name, bytes });
      }
      taken[at] = fits
        ? { name: part.name, outcome, bytes: bytes.length, why, ms }
        : { name: part.name, outcome: 'too large', bytes: 0, why: 'the report has no room for more', ms };
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return { files: files.toSorted((a, b) => a.name.localeCompare(b.name)), parts: taken };
}

interface Outcome {
  readonly outcome: TakenPart['outcome'];
  readonly why: string;
  readonly text: string;
}

async function takePart({ kind, take }: Part, { timeoutMs, maxPartBytes }: CollectOptions): Promise<Outcome> {
  const abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const overdue = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, null);
  });
  try {
    const text = await Promise.race([Promise.resolve(take(abort.signal)), overdue]);
    if (text === null) return { outcome: 'hung', why: `nothing whole came within ${timeoutMs / 1_000} s`, text: '' };
    if (text.length <= maxPartBytes) return { outcome: 'taken', why: '', text: maskFile(text, kind) };
    const size = `it has ${text.length} bytes, and a part at most ${maxPartBytes}`;
    // Half of a structure can't be looked through for secrets.
    if (kind === 'json' || kind === 'yaml') return { outcome: 'too large', why: size, text: '' };
    const newest = text.slice(text.indexOf('\n', text.length - maxPartBytes) + 1);
    return { outcome: 'cut', why: `${size}: its end`, text: maskFile(newest, kind) };
  } catch (error) {
    return { outcome: 'missing', why: maskText((error as Error).message), text: '' };
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}
