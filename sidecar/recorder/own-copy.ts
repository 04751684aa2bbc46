/** Text that is kept must not keep more than itself: V8 lets a part of a string hold on to all of it, and what peers send is cut from heads of 64 KiB. */

/** Shorter parts V8 copies anyway. */
const shortestPart = 13;

/** A copy of its own of the first `most` characters of text as headers have it (latin1). */
export function ownCopy(text: string, most: number): string {
  if (text.length < shortestPart) return text;
  const cut = text.length > most ? text.slice(0, most) : text;
  return Buffer.from(cut, 'latin1').toString('latin1');
}
