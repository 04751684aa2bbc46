/** A tap of live requests: lines of JSON as they come, for as long as somebody watches. Takes the token, as it shows more than anybody may see. */
import { AskFault, openStream } from './ask.ts';
import type { RequestRecord } from './mesh-data.ts';

export type TapLine = RequestRecord & {
  /** Requests that were left out, as they came too fast. */
  readonly dropped?: number;
  readonly fault?: string;
  /** Why nothing is likely to come. */
  readonly note?: string;
};

/** What a line may be at most, in characters: longer than any record with its bodies. */
const mostLine = 1024 * 1024;

/** Resolves when it is over, or was given up. Rejects with an AskFault. `onLines`: as many as came together. */
export async function tapLines(
  query: URLSearchParams,
  onLines: (lines: readonly TapLine[]) => void,
  signal: AbortSignal,
): Promise<void> {
  try {
    const body = await openStream(`tap?${query.toString()}`, signal);
    const decoder = new TextDecoder();
    let rest = '';
    for (const reader = body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (rest + decoder.decode(value, { stream: true })).split('\n');
      rest = lines.pop()!;
      if (rest.length > mostLine) throw new AskFault('failed', 'A line of the tap is too long.');
      const parsed = lines.filter((line) => line !== '').map((line) => JSON.parse(line) as TapLine);
      if (parsed.length > 0) onLines(parsed);
    }
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof AskFault) throw error;
    throw new AskFault('away', 'The tap was cut off: the control plane went away.');
  }
}
