/** Data that is asked for again and again while the page is seen. What was known stays when the control plane goes away, with since when. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { AskFault, ask } from './ask.ts';
import { reportReach } from './reach.ts';

export interface Polled<T> {
  /** Null: nothing has come yet. */
  readonly data: T | null;
  /** Of the last try; null: it was good. */
  readonly fault: AskFault | null;
}

const nothing: Polled<never> = { data: null, fault: null };

export type Polling<T> = Polled<T> & { readonly again: () => void };

/** `path` null: nothing is asked. Another path begins anew. */
export function usePoll<T>(path: string | null, intervalMs: number): Polling<T> {
  return usePollOf(path, (signal) => ask<T>(path!, signal), intervalMs);
}

function usePollOf<T>(
  path: string | null,
  fetchNow: (signal: AbortSignal) => Promise<T>,
  intervalMs: number,
): Polling<T> {
  const [state, setState] = useState<Polled<T> & { readonly path: string | null }>({ ...nothing, path });
  const poke = useRef<() => void>(() => {});
  useEffect(() => {
    if (path === null) return undefined;
    const gone = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let busy = false;
    const look = async (): Promise<void> => {
      if (busy) return;
      busy = true;
      clearTimeout(timer);
      try {
        const data = await fetchNow(gone.signal);
        reportReach(true);
        setState({ data, fault: null, path });
      } catch (error) {
        if (gone.signal.aborted) return;
        const fault = error instanceof AskFault ? error : new AskFault('failed', (error as Error).message);
        reportReach(fault.kind !== 'away');
        setState((before) => ({ data: before.path === path ? before.data : null, fault, path }));
      } finally {
        busy = false;
        if (!gone.signal.aborted && !document.hidden) timer = setTimeout(() => void look(), intervalMs);
      }
    };
    const seen = (): void => {
      if (document.hidden) clearTimeout(timer);
      else void look();
    };
    poke.current = () => void look();
    document.addEventListener('visibilitychange', seen);
    void look();
    return () => {
      gone.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', seen);
    };
  }, [path, intervalMs]);
  const shown = state.path === path ? state : nothing;
  return { data: shown.data, fault: shown.fault, again: () => poke.current() };
}
