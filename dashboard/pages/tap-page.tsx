/** Requests as they end, by the filters of the page of requests. It runs while it is seen, until it is held. Headers are masked by the sidecars, before anything leaves them. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { RequestRecord } from '../data/mesh-data.ts';
import { tapLines } from '../data/tap-lines.ts';
import { addressOf } from '../shell/page-address.ts';
import { TokenNeeded, useToken } from '../shell/token-dialog.tsx';
import { RequestTable, requestFields } from './requests-page.tsx';

/** The newest are shown. */
const mostShown = 200;
/** Lines come as fast as calls do; a table is drawn so often. */
const drawEveryMs = 250;

export function TapPage({ query }: { readonly query: Readonly<Record<string, string>> }) {
  const token = useToken();
  const form = useRef<HTMLFormElement>(null);
  const [running, setRunning] = useState(true);
  const [shown, setShown] = useState<readonly RequestRecord[]>([]);
  const [said, setSaid] = useState('');
  const [note, setNote] = useState('');
  const [count, setCount] = useState({ seen: 0, dropped: 0 });
  const given = Object.entries(query).filter(([, value]) => value !== '');
  const text = new URLSearchParams([...given, ['limit', '100000']]).toString();
  useEffect(() => {
    if (token === '' || !running) return undefined;
    const gone = new AbortController();
    const fresh: RequestRecord[] = [];
    const notes: string[] = [];
    let seen = 0;
    let dropped = 0;
    setSaid('');
    setNote('');
    setShown([]);
    setCount({ seen, dropped });
    const draw = (): void => {
      if (fresh.length > 0) {
        const newest = fresh.splice(0).toReversed();
        setShown((before) => [...newest, ...before].slice(0, mostShown));
      }
      setNote(notes.join('; '));
      setCount({ seen, dropped });
    };
    const timer = setInterval(draw, drawEveryMs);
    tapLines(
      new URLSearchParams(text),
      (lines) => {
        for (const line of lines) {
          if (line.fault !== undefined) setSaid(line.fault);
          else if (line.note !== undefined) notes.push(line.note);
          else if (line.dropped !== undefined) dropped += line.dropped;
          else {
            seen++;
            fresh.push(line);
            if (fresh.length > mostShown) fresh.shift();
          }
        }
      },
      gone.signal,
    )
      .then(
        () =>
          !gone.signal.aborted && setSaid('The tap is over: the sidecars have sent as many requests as one tap takes.'),
        (error: Error) => setSaid(error.message),
      )
      .finally(() => {
        clearInterval(timer);
        if (!gone.signal.aborted) {
          draw();
          setRunning(false);
        }
      });
    return () => {
      gone.abort();
      clearInterval(timer);
    };
  }, [token, running, text]);
  const apply = (event: Event): void => {
    event.preventDefault();
    const next = Object.fromEntries(
      [...new FormData(form.current!)].map(([key, value]) => [key, String(value).trim()]),
    );
    location.hash = addressOf('tap', [], next);
    setRunning(true);
  };
  return (
    <>
      <div class="head">
        <h1 tabIndex={-1}>Live requests</h1>
        <a href={addressOf('requests', [], query)}>Those that sidecars remember</a>
      </div>
      {token === '' && <TokenNeeded what="To watch live requests" />}
      <form ref={form} class="filters" onSubmit={apply} key={text}>
        {requestFields.map(([name, label, example]) => (
          <label key={name}>
            {label}
            <input name={name} defaultValue={query[name] ?? ''} placeholder={example} spellcheck={false} />
          </label>
        ))}
        <label class="check">
          <input type="checkbox" name="errors" value="true" defaultChecked={query['errors'] === 'true'} /> only those
          that failed
        </label>
        <button type="submit" disabled={token === ''}>
          Watch
        </button>
        <button type="button" disabled={token === ''} onClick={() => setRunning(!running)}>
          {running ? 'Hold' : 'Go on'}
        </button>
      </form>
      <p role="status" class={said === '' ? 'faint' : 'bad'}>
        {said !== ''
          ? said
          : token === ''
            ? ''
            : `${running ? 'Watching' : 'Held'}: ${count.seen} seen${count.dropped === 0 ? '' : `, ${count.dropped} left out`}`}
      </p>
      {note !== '' && shown.length === 0 && <p class="notice">{note}</p>}
      {shown.length > 0 && <RequestTable requests={shown} />}
    </>
  );
}
