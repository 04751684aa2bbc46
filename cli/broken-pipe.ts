/** A reader of stdout or stderr that has gone (`| head -1`) is no fault: a command that only prints is done then. */

/** `goOn`: the program has other work than to print. */
export function heedBrokenPipes(goOn: boolean): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // EIO: the terminal is closed.
      if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
      if (!goOn) process.exit(process.exitCode ?? 0);
    });
}
