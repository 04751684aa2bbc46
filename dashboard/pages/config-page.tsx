/** Files of --config: read; edit → validate → diff → apply → revert. What is right is the control plane's to say, and only what it has no fault with is written. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { AskFault, act } from '../data/ask.ts';
import type { ConfigFault, ConfigFileRow, ControlPlaneInfo, Hunk } from '../data/mesh-data.ts';
import { usePoll } from '../data/use-poll.ts';
import { bytesText, clockText } from '../data/words.ts';
import { Fault, Loading } from '../shell/notices.tsx';
import { addressOf } from '../shell/page-address.ts';
import { TokenNeeded, useToken } from '../shell/token-dialog.tsx';
import { Diff } from './diff.tsx';

interface SourceFault {
  readonly text: string;
  readonly meanwhile: string;
}

export function ConfigPage({ query }: { readonly query: Readonly<Record<string, string>> }) {
  const { file = '' } = query;
  const files = usePoll<{ readonly files: readonly ConfigFileRow[] }>('config/files', 5_000);
  const faults = usePoll<readonly SourceFault[]>('faults', 5_000);
  const info = usePoll<ControlPlaneInfo>('control-plane', 30_000);
  const token = useToken();
  const row = files.data?.files.find((each) => each.file === file);
  return (
    <>
      <div class="head">
        <h1 tabIndex={-1}>Configuration</h1>
      </div>
      <Fault of={files.fault} what="configuration files" />
      {(faults.data ?? []).map(({ text, meanwhile }) => (
        <p key={text} class="notice fault">
          {text}
          {meanwhile === '' ? '' : `; ${meanwhile}`}
        </p>
      ))}
      {info.data?.listenTls === '' && (
        <p class="notice">
          This control plane runs without identities (--listen-tls off), so there is no local token, and nothing can be
          changed from here.
        </p>
      )}
      {files.data === null ? (
        files.fault === null && <Loading />
      ) : (
        <div class="columns">
          <nav aria-label="Configuration files">
            <ul class="files">
              {files.data.files.map((each) => (
                <li key={each.file}>
                  <a
                    href={addressOf('config', [], { file: each.file })}
                    aria-current={each.file === file ? 'true' : undefined}
                  >
                    {each.file}
                  </a>{' '}
                  <span class="faint">
                    {each.problem === '' ? bytesText(each.bytes) : '!'}
                    {each.changedHereAt === '' ? '' : ` · changed here at ${clockText(each.changedHereAt).slice(0, 8)}`}
                  </span>
                </li>
              ))}
            </ul>
            {files.data.files.length === 0 && <p class="empty">The control plane reads no files (no --config).</p>}
          </nav>
          <div>
            {file === '' ? (
              <p class="empty">Choose a file.</p>
            ) : row === undefined ? (
              <p class="notice">The control plane does not read {file}.</p>
            ) : row.problem !== '' ? (
              <p class="notice">{row.problem}</p>
            ) : token === '' ? (
              <TokenNeeded what="To read and change configuration" />
            ) : (
              <Editor key={file} row={row} onChanged={files.again} />
            )}
          </div>
        </div>
      )}
    </>
  );
}

/** What is known of the text as it stands in the editor. */
interface Checked {
  readonly text: string;
  readonly faults: readonly ConfigFault[];
  readonly warnings: readonly ConfigFault[];
  readonly hunks: readonly Hunk[] | null;
}

function Editor({ row, onChanged }: { readonly row: ConfigFileRow; readonly onChanged: () => void }) {
  const { file } = row;
  const area = useRef<HTMLTextAreaElement>(null);
  const [opened, setOpened] = useState<{ readonly text: string; readonly digest: string } | null>(null);
  const [text, setText] = useState('');
  const [checked, setChecked] = useState<Checked | null>(null);
  const [said, setSaid] = useState<{ readonly bad: boolean; readonly text: string } | null>(null);
  const [busy, setBusy] = useState(false);
  const tell = (bad: boolean, words: string): void => setSaid({ bad, text: words });

  const work = async (task: () => Promise<void>): Promise<void> => {
    setBusy(true);
    setSaid(null);
    try {
      await task();
    } catch (error) {
      tell(true, error instanceof AskFault ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  };
  const read = async (): Promise<void> => {
    const answer = await act<{ readonly text: string; readonly digest: string }>('config/read', { file });
    setOpened(answer);
    setText(answer.text);
    setChecked(null);
  };
  useEffect(() => void work(read), [file]);
  const validate = async (): Promise<Checked> => {
    const found = await act<Pick<Checked, 'faults' | 'warnings'>>('config/validate', { file, text });
    const next = { text, ...found, hunks: null };
    setChecked(next);
    if (found.faults.length > 0)
      tell(true, `${found.faults.length === 1 ? 'One fault' : `${found.faults.length} faults`}; nothing was written.`);
    return next;
  };
  const diff = async (): Promise<void> => {
    const next = await validate();
    if (next.faults.length > 0) return;
    const { hunks } = await act<{ readonly hunks: readonly Hunk[] }>('config/diff', { file, text });
    setChecked({ ...next, hunks });
  };
  const apply = async (): Promise<void> => {
    const { digest } = await act<{ readonly digest: string }>('config/apply', { file, text, digest: opened!.digest });
    setOpened({ text, digest });
    setChecked(null);
    tell(false, 'Applied. Revert puts back what stood there before.');
    onChanged();
  };
  const revert = async (): Promise<void> => {
    const answer = await act<{ readonly text: string; readonly digest: string }>('config/revert', { file });
    setOpened(answer);
    setText(answer.text);
    setChecked(null);
    tell(false, 'Reverted: the file is as it was before the last change from here.');
    onChanged();
  };
  const goTo = ({ line, column }: ConfigFault): void => {
    const lines = text.split('\n').slice(0, Math.max(0, line - 1));
    const at = lines.reduce((sum, each) => sum + each.length + 1, 0) + Math.max(0, column - 1);
    area.current!.focus();
    area.current!.setSelectionRange(at, at);
    area.current!.scrollTop = Math.max(0, (line - 5) * 18);
  };
  const changed = opened !== null && text !== opened.text;
  const current = checked?.text === text ? checked : null;
  if (opened === null)
    return said === null ? (
      <Loading />
    ) : (
      <p class="notice fault" role="alert">
        {said.text}
      </p>
    );
  return (
    <section aria-label={file}>
      <label class="editor">
        <span>
          {file}
          {changed ? ' (edited)' : ''}
        </span>
        <textarea
          ref={area}
          value={text}
          spellcheck={false}
          rows={24}
          wrap="off"
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <div class="buttons">
        <button
          type="button"
          disabled={busy}
          onClick={() =>
            void work(async () => {
              const { faults, warnings } = await validate();
              if (faults.length === 0)
                tell(false, warnings.length === 0 ? 'No faults.' : 'No faults; see the warnings.');
            })
          }
        >
          Validate
        </button>
        <button type="button" disabled={busy || !changed} onClick={() => void work(diff)}>
          Diff
        </button>
        <button
          type="button"
          class="primary"
          disabled={busy || !changed || current?.hunks === null || current === null}
          title="After the diff was looked at"
          onClick={() => void work(apply)}
        >
          Apply
        </button>
        <button type="button" disabled={busy || row.changedHereAt === ''} onClick={() => void work(revert)}>
          Revert
        </button>
        <button type="button" disabled={busy} onClick={() => void work(read)}>
          Open again
        </button>
      </div>
      <p class={said?.bad === true ? 'bad' : ''} role="status">
        {said?.text}
      </p>
      {current !== null && (
        <>
          <Findings title="Faults" of={current.faults} onGo={goTo} file={file} />
          <Findings title="Warnings" of={current.warnings} onGo={goTo} file={file} />
          {current.hunks !== null && <Diff hunks={current.hunks} />}
        </>
      )}
    </section>
  );
}

function Findings(props: {
  readonly title: string;
  readonly of: readonly ConfigFault[];
  readonly file: string;
  readonly onGo: (fault: ConfigFault) => void;
}) {
  const { title, of, file, onGo } = props;
  if (of.length === 0) return null;
  return (
    <>
      <h2>{title}</h2>
      <ul class="findings">
        {of.map((fault) => (
          <li key={fault.text}>
            {fault.file === file && fault.line > 0 ? (
              <button type="button" class="link" onClick={() => onGo(fault)}>
                {fault.text}
              </button>
            ) : (
              fault.text
            )}
          </li>
        ))}
      </ul>
    </>
  );
}
