/**
 * The control plane's data directory: made when it is missing, refused when others may write to it, and for one control plane at a time. What is secret in it has rights of its own; the folder itself may be entered, as the
 * trust bundle in it is for everybody.
 */
import {
  closeSync,
  fchmodSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

const lockName = 'control-plane.pid';

export class DataFolder {
  readonly path: string;
  readonly #lock: string;

  private constructor(path: string) {
    this.path = path;
    this.#lock = join(path, lockName);
  }

  /** Throws an Error of one line that says what to do. */
  static open(path: string): DataFolder {
    try {
      mkdirSync(path, { recursive: true, mode: 0o755 });
      const stats = statSync(path);
      const self = process.geteuid?.();
      if (self !== undefined && stats.uid !== self)
        throw new Error(`it belongs to the user ${stats.uid}, not to ${self}, who runs this`);
      if ((stats.mode & 0o022) !== 0)
        throw new Error(`others may write to it (mode ${(stats.mode & 0o777).toString(8)}); run: chmod go-w ${path}`);
      const folder = new DataFolder(path);
      folder.#take();
      return folder;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      let why = message;
      if (code === 'EACCES' || code === 'EPERM') why = 'this user may not write there';
      else if (code === 'EEXIST' || code === 'ENOTDIR') why = 'it is a file, or stands below one; a folder is expected';
      throw new Error(`cannot use the data directory ${path}: ${why}; give another with --data-dir`);
    }
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** A file that everybody may read: whole, or not at all. */
  writePublic(name: string, text: string): void {
    const beside = `${this.file(name)}.new`;
    rmSync(beside, { force: true });
    const descriptor = openSync(beside, 'wx', 0o644);
    try {
      fchmodSync(descriptor, 0o644);
      writeSync(descriptor, text);
    } finally {
      closeSync(descriptor);
    }
    renameSync(beside, this.file(name));
  }

  close(): void {
    rmSync(this.#lock, { force: true });
  }

  /** The lock is a file with our process id and start time; one of a process that is gone counts for nothing. */
  #take(): void {
    for (let attempt = 0; ; attempt++) {
      try {
        const descriptor = openSync(this.#lock, 'wx', 0o600);
        writeSync(descriptor, `${process.pid} ${startOf(process.pid)}\n`);
        closeSync(descriptor);
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || attempt > 2) throw error;
      }
      const holder = this.#holder();
      if (holder !== 0) throw new Error(`another control plane (pid ${holder}) uses it`);
      rmSync(this.#lock, { force: true });
    }
  }

  /** 0: nobody who is alive. */
  #holder(): number {
    let text: string;
    try {
      text = readFileSync(this.#lock, 'utf8');
    } catch {
      return 0;
    }
    const [first = '', start = ''] = text.trim().split(' ');
    const pid = Number(first);
    if (!Number.isInteger(pid) || pid < 1) return 0;
    try {
      process.kill(pid, 0);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return 0;
    }
    // The number may have gone to another process since, in a container even to this one.
    return startOf(pid) === start ? pid : 0;
  }
}

/** When a process began, in the kernel's ticks; '-' where the system does not say. */
function startOf(pid: number): string {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses, which may hold anything.
    return fields.slice(fields.lastIndexOf(')') + 2).split(' ')[19] ?? '-';
  } catch {
    return '-';
  }
}
