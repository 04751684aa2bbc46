/** Says of a tool that failed (go, pip, apt-get) how it ended, and what it said last: that is where the reason stands, behind whatever it told of its progress. */

/** As node's execFile rejects. */
export interface ToolEnd {
  readonly stdout?: string;
  readonly stderr?: string;
  /** Exit code; a system error's name where it did not start. */
  readonly code?: number | string | null;
  readonly signal?: string | null;
  /** We ended it: it was over its time. */
  readonly killed?: boolean;
  readonly message: string;
}

const maxLines = 5;
const maxLineLength = 400;
const progress =
  /^(?:go: (?:downloading|finding|extracting) |Get:\d+ |Hit:\d+ |Ign:\d+ |\s*(?:Downloading|Collecting|Using cached) )/;

/** One line. `what`: the program and what it was to do. */
export function toolFault(what: string, end: ToolEnd, timeoutMs: number): string {
  const { stdout = '', stderr = '', code, signal, killed = false, message } = end;
  const how = killed
    ? `was ended, as it took longer than ${timeoutMs / 60_000} minutes`
    : typeof signal === 'string'
      ? `was ended by ${signal}`
      : typeof code === 'number'
        ? `ended with ${code}`
        : `could not be run (${message.split('\n', 1)[0]})`;
  const said = lastLines(stderr);
  const lines = said.length > 0 ? said : lastLines(stdout);
  return lines.length > 0 ? `${what} ${how}: ${lines.join(' · ')}` : `${what} ${how}, without a word of why`;
}

function lastLines(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => line.trimEnd().slice(0, maxLineLength))
    .filter((line) => line !== '' && !progress.test(line))
    .slice(-maxLines);
}
