/**
 * Random numbers that are the same every time: one stream for each purpose, made from the seed and the purpose's name, so that what one part draws does not change what another gets, and two
 * variants of a policy meet the same load.
 */
import type { Random } from '../../sidecar/runtime/clock.ts';

/** Uniform in [0, 1), of 32 bits (sfc32). */
export function seededRandom(seed: number, purpose: string): Random {
  let a = hash(`${seed}/a/${purpose}`);
  let b = hash(`${seed}/b/${purpose}`);
  let c = hash(`${seed}/c/${purpose}`);
  let counter = 1;
  const random = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return (sum >>> 0) / 4_294_967_296;
  };
  // The first numbers still show the seed.
  for (let i = 0; i < 12; i++) random();
  return random;
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value | 0;
}

/** `count` of the numbers below `of`, each equally likely, in rising order. */
export function chooseSome(count: number, of: number, random: Random): number[] {
  const numbers = Array.from({ length: of }, (_, at) => at);
  for (let at = 0; at < count; at++) {
    const other = at + Math.floor(random() * (of - at));
    [numbers[at], numbers[other]] = [numbers[other]!, numbers[at]!];
  }
  return numbers.slice(0, count).sort((a, b) => a - b);
}
