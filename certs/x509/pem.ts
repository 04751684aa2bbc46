/** PEM (RFC 7468), read strictly: blocks of one label with nothing but base64 in them. Text outside of blocks is passed over, as other tools write comments there. */
import { IdentityFault } from '../identity-fault.ts';

const maxPemBytes = 1024 * 1024;

/** The blocks of a label, in order. Throws IdentityFault `malformed` when there is none, when a block is damaged, or when a block has another label. `what` names the text in messages. */
export function readPem(text: string, label: string, what: string): readonly Uint8Array[] {
  if (text.length > maxPemBytes) throw new IdentityFault('too-large', `${what} is longer than ${maxPemBytes} bytes`);
  const blocks: Uint8Array[] = [];
  let lines: string[] | null = null;
  for (const raw of text.split('\n')) {
    const line = raw.trimEnd();
    const mark = /^-----(BEGIN|END) ([A-Z0-9 ]+)-----$/.exec(line);
    if (mark === null) {
      if (line.startsWith('-----')) throw damaged(what, 'a line of dashes is cut off');
      lines?.push(line);
      continue;
    }
    if (mark[2] !== label) throw damaged(what, `a block ${mark[2]} where ${label} is expected`);
    if ((mark[1] === 'BEGIN') !== (lines === null)) throw damaged(what, 'BEGIN and END do not match');
    if (mark[1] === 'END') {
      blocks.push(fromBase64(lines!.join(''), what));
      lines = null;
    } else lines = [];
  }
  if (lines !== null) throw damaged(what, 'the last block has no END');
  if (blocks.length === 0) throw damaged(what, `there is no block ${label} in it`);
  return blocks;
}

/** Base64 in its one form: with padding, and no bits beyond the last octet. Throws IdentityFault `malformed`. */
export function fromBase64(text: string, what: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length === 0 || bytes.toString('base64') !== text) throw damaged(what, 'it is not base64');
  return bytes;
}

export function writePem(label: string, ...ders: readonly Uint8Array[]): string {
  return ders
    .map((der) => {
      const lines =
        Buffer.from(der.buffer, der.byteOffset, der.byteLength)
          .toString('base64')
          .match(/.{1,64}/g) ?? [];
      return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
    })
    .join('');
}

function damaged(what: string, why: string): IdentityFault {
  return new IdentityFault('malformed', `${what} is not valid PEM: ${why}`);
}
