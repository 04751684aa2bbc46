/** A tar archive (POSIX ustar) of plain files, in memory. Writes no folders, links or owners. */

export interface TarFile {
  /** Relative, with `/`; 100 bytes at most. */
  readonly name: string;
  readonly bytes: Buffer;
}

const blockBytes = 512;
const maxNameBytes = 100;

/** `wallMs`: when the files are of. */
export function tar(files: readonly TarFile[], wallMs: number): Buffer {
  const blocks = files.flatMap(({ name, bytes }) => [
    header(name, bytes.length, wallMs),
    bytes,
    Buffer.alloc((blockBytes - (bytes.length % blockBytes)) % blockBytes),
  ]);
  return Buffer.concat([...blocks, Buffer.alloc(2 * blockBytes)]);
}

function header(name: string, size: number, wallMs: number): Buffer {
  if (Buffer.byteLength(name) > maxNameBytes) throw new Error(`${name}: the name is too long for the archive`);
  const block = Buffer.alloc(blockBytes);
  block.write(name, 0);
  const octal = (value: number, at: number, digits: number): void => {
    block.write(`${Math.floor(value).toString(8).padStart(digits, '0')}\0`, at);
  };
  octal(0o600, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(size, 124, 11);
  octal(wallMs / 1_000, 136, 11);
  block.write(' '.repeat(8), 148);
  block.write('0', 156);
  block.write('ustar\0' + '00', 257);
  // The sum of the header's bytes, its own taken as blanks.
  block.write(
    `${block
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  );
  return block;
}
