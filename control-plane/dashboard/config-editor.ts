/**
 * The files of --config as the dashboard reads and changes them: validate → diff → apply → revert. Only files that the control plane reads itself, by the names that it has for them; a link that leads out of --config is not
 * followed. What a text means is validate-edit.ts; that the change takes effect is the watching source's.
 */
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync, realpathSync, type Stats } from 'node:fs';
import { sep } from 'node:path';
import type { Logger } from 'pino';
import { ActionFault, type AdminAction, StaleFault } from '../admin/admin-actions.ts';
import { type Fault, faultText } from '../source/fault.ts';
import { listFiles, reasonOf } from '../source/list-files.ts';
import { validateEdit } from '../source/validate-edit.ts';
import type { EditHistory } from './edit-history.ts';
import { switchFaultText } from './fault-switch.ts';
import { type Hunk, lineDiff } from './line-diff.ts';
import { replaceFile } from './replace-file.ts';

export interface ConfigFileRow {
  /** As the control plane names it. */
  readonly file: string;
  /** -1: not known. */
  readonly bytes: number;
  /** Why it cannot be shown or changed here; ''. */
  readonly problem: string;
  /** When it was last changed from here, and nobody has changed it since; ''. */
  readonly changedHereAt: string;
}

/** A file's text may be as long as that, in UTF-8. */
export const maxTextBytes = 1024 * 1024;

export interface ConfigEditorInit {
  readonly paths: readonly string[];
  readonly history: EditHistory;
  readonly wallMs: () => number;
  readonly log: Logger;
}

interface ReadText {
  /** The file itself, behind links. */
  readonly realPath: string;
  readonly text: string;
  readonly digest: string;
  readonly stats: Stats;
}

export interface FoundFault extends Fault {
  /** As `outrigger validate` prints it. */
  readonly text: string;
}

export class ConfigEditor {
  readonly #init: ConfigEditorInit;

  constructor(init: ConfigEditorInit) {
    this.#init = init;
  }

  /** Names only, so everybody who may read the admin port may see them. */
  readonly files = (): { readonly files: readonly ConfigFileRow[] } => ({
    files: this.#names().map((file) => {
      try {
        const { stats, digest } = this.#read(file);
        const last = this.#init.history.last(file);
        const changedHereAt = last?.digestAfter === digest ? new Date(last.wallMs).toISOString() : '';
        return { file, bytes: stats.size, problem: '', changedHereAt };
      } catch (error) {
        return { file, bytes: -1, problem: (error as Error).message, changedHereAt: '' };
      }
    }),
  });

  /** By POST and with the token, reading too: a file may be closed to other users of this machine. */
  readonly actions: Readonly<Record<string, AdminAction>> = {
    '/api/v1/config/read': (body) => {
      const file = this.#fileOf(body);
      const { text, digest } = this.#read(file);
      return { file, text, digest };
    },
    '/api/v1/config/validate': (body) => this.#validate(this.#fileOf(body), textOf(body)),
    '/api/v1/config/diff': (body) => {
      const file = this.#fileOf(body);
      const { text, digest } = this.#read(file);
      return { file, digest, hunks: lineDiff(text, textOf(body)) };
    },
    '/api/v1/config/apply': (body) => this.#apply(this.#fileOf(body), textOf(body), digestOf(body)),
    '/api/v1/config/revert': (body) => this.#revert(this.#fileOf(body)),
    '/api/v1/config/fault-switch': (body) => this.#faultSwitch(body),
  };

  /** In JSON a character may take several. */
  readonly longBodies: Readonly<Record<string, number>> = Object.fromEntries(
    ['validate', 'diff', 'apply'].map((name) => [`/api/v1/config/${name}`, 2 * maxTextBytes]),
  );

  #names(): readonly string[] {
    return listFiles(this.#init.paths, new Set()).files;
  }

  /** Only a name that the control plane has for a file of its own: nothing is put together from what is sent. */
  #fileOf({ file }: Readonly<Record<string, unknown>>): string {
    if (typeof file !== 'string') throw new ActionFault('file: the name of a configuration file is missing');
    if (!this.#names().includes(file))
      throw new ActionFault(
        `file: ${JSON.stringify(file.slice(0, 200))} is not one of the files that the control plane reads; GET /api/v1/config/files lists them`,
      );
    return file;
  }

  #read(file: string): ReadText {
    let realPath: string;
    let roots: readonly string[];
    try {
      realPath = realpathSync(file);
      roots = this.#init.paths.map((path) => realpathSync(path));
    } catch (error) {
      throw new ActionFault(`${file} ${reasonOf(error)}`);
    }
    if (!roots.some((root) => realPath === root || realPath.startsWith(root.endsWith(sep) ? root : root + sep)))
      throw new ActionFault(`${file} is a link that leads out of --config; change the file that it leads to`);
    let descriptor: number;
    try {
      // A pipe in its place would be waited for without end.
      descriptor = openSync(realPath, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      throw new ActionFault(`${file} ${reasonOf(error)}`);
    }
    try {
      const stats = fstatSync(descriptor);
      if (!stats.isFile()) throw new ActionFault(`${file} is not a regular file`);
      if (stats.size > maxTextBytes)
        throw new ActionFault(`${file} has ${stats.size} bytes; at most ${maxTextBytes} are shown and changed here`);
      const bytes = readFileSync(descriptor);
      const text = bytes.toString('utf8');
      if (!Buffer.from(text).equals(bytes)) throw new ActionFault(`${file} is not UTF-8`);
      return { realPath, text, digest: digest(text), stats };
    } finally {
      closeSync(descriptor);
    }
  }

  #validate(file: string, text: string): { readonly faults: FoundFault[]; readonly warnings: FoundFault[] } {
    const { faults, warnings } = validateEdit(this.#init.paths, file, text, this.#init.wallMs);
    const withText = (fault: Fault): FoundFault => ({ ...fault, text: faultText(fault) });
    return { faults: faults.map(withText), warnings: warnings.map(withText) };
  }

  #apply(file: string, text: string, base: string): { readonly file: string; readonly digest: string } {
    const { faults } = this.#validate(file, text);
    if (faults.length > 0) throw new ActionFault(faults.map((fault) => fault.text).join('\n'));
    const read = this.#read(file);
    if (read.digest !== base)
      throw new StaleFault(
        `${file} was changed by somebody else since it was opened here; open it again, and make the change there`,
      );
    if (read.text === text) return { file, digest: read.digest };
    const { history, wallMs, log } = this.#init;
    const edit = { file, textBefore: read.text, digestAfter: digest(text), wallMs: wallMs() };
    write(file, () => {
      history.add(edit);
      try {
        replaceFile(read.realPath, text, read.stats);
      } catch (error) {
        history.remove(edit);
        throw error;
      }
    });
    log.info(`${file}: changed from the dashboard`);
    return { file, digest: edit.digestAfter };
  }

  #revert(file: string): { readonly file: string; readonly text: string; readonly digest: string } {
    const { history, log } = this.#init;
    const last = history.last(file);
    if (last === null) throw new ActionFault(`${file} has not been changed from here`);
    const read = this.#read(file);
    if (read.digest !== last.digestAfter)
      throw new StaleFault(
        `${file} was changed by somebody else since it was changed here, which a revert would undo too; change it by hand`,
      );
    write(file, () => replaceFile(read.realPath, last.textBefore, read.stats));
    history.remove(last);
    log.info(`${file}: the change from the dashboard was taken back`);
    return { file, text: last.textBefore, digest: digest(last.textBefore) };
  }

  /** Only the text that would do it: diff and apply are as for any other edit. */
  #faultSwitch(body: Readonly<Record<string, unknown>>): {
    readonly file: string;
    readonly text: string;
    readonly digest: string;
    readonly hunks: readonly Hunk[];
  } {
    const { policy, on } = body;
    if (typeof policy !== 'string' || typeof on !== 'boolean')
      throw new ActionFault('policy (NAMESPACE/NAME) and on (true or false) are wanted');
    const nowMs = this.#init.wallMs();
    for (const file of this.#names()) {
      let read: ReadText;
      try {
        read = this.#read(file);
      } catch {
        continue;
      }
      const text = switchFaultText(read.text, policy, on, nowMs);
      if (text !== null) return { file, text, digest: read.digest, hunks: lineDiff(read.text, text) };
    }
    throw new ActionFault(
      `FaultPolicy ${JSON.stringify(policy.slice(0, 200))} stands in no configuration file (one of Kubernetes is changed there)`,
    );
  }
}

function write(file: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why =
      code === 'EROFS'
        ? 'it is on a file system that can only be read'
        : code === 'EACCES' || code === 'EPERM'
          ? 'the user who runs the control plane may not write there'
          : message;
    throw new ActionFault(`${file} cannot be written: ${why}`);
  }
}

function textOf({ text }: Readonly<Record<string, unknown>>): string {
  if (typeof text !== 'string') throw new ActionFault('text: what the file is to say is missing');
  if (!text.isWellFormed()) throw new ActionFault('text: has half of a surrogate pair, which no file can hold');
  if (Buffer.byteLength(text) > maxTextBytes) throw new ActionFault(`text: is longer than ${maxTextBytes} bytes`);
  return text;
}

function digestOf({ digest }: Readonly<Record<string, unknown>>): string {
  if (typeof digest !== 'string') throw new ActionFault('digest: that of the text which was changed is missing');
  return digest;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
