/** Unlocks changes with the control plane's local token: where it is missing, and in the bar. It is tried before it is kept. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { AskFault, act } from '../data/ask.ts';
import { forgetToken, keepToken, onToken, token } from '../data/token.ts';

export function useToken(): string {
  const [now, setNow] = useState(token());
  useEffect(() => onToken(() => setNow(token())), []);
  return now;
}

export function TokenNeeded({ what }: { readonly what: string }) {
  return (
    <div class="notice">
      <p>
        {what}, unlock it with the control plane's local token: it is in the file <code>local-token</code> of its data
        directory, and <code>outrigger dashboard</code> prints an address that brings it along.
      </p>
      <TokenForm />
    </div>
  );
}

export function LockButton() {
  const now = useToken();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (now !== '') dialog.current?.close();
  }, [now]);
  return (
    <>
      {now === '' ? (
        <button type="button" onClick={() => dialog.current!.showModal()}>
          Unlock changes
        </button>
      ) : (
        <button type="button" onClick={forgetToken}>
          Lock
        </button>
      )}
      <dialog ref={dialog} aria-label="Unlock changes">
        <h2>Unlock changes</h2>
        <p>
          The local token is in the file <code>local-token</code> of the control plane's data directory;{' '}
          <code>outrigger dashboard</code> prints an address that brings it along. This tab keeps it until it is closed.
        </p>
        <TokenForm />
        <button type="button" onClick={() => dialog.current!.close()}>
          Close
        </button>
      </dialog>
    </>
  );
}

function TokenForm() {
  const [said, setSaid] = useState('');
  const unlock = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const given = String(new FormData(form).get('token') ?? '').trim();
    try {
      await act('local-token', {}, given);
      form.reset();
      keepToken(given);
    } catch (error) {
      setSaid(
        error instanceof AskFault && error.kind === 'token'
          ? 'That is not the token of this control plane.'
          : (error as Error).message,
      );
    }
  };
  return (
    <form class="token" onSubmit={(event) => void unlock(event as unknown as SubmitEvent)}>
      <label>
        Local token <input name="token" type="password" autocomplete="off" required spellcheck={false} />
      </label>
      <button type="submit">Unlock</button>
      {said !== '' && (
        <span class="bad" role="alert">
          {said}
        </span>
      )}
    </form>
  );
}
