/**
 * Huffman decoding by a state machine over half bytes: a state is an inner node of the code tree. No code is shorter than five bits, so that a
 * step of four bits completes one symbol at most.
 */
import { codeLengths, codes, symbolEos } from './huffman-code.ts';

/** Bits of a transition: next state (0…255), symbol << 8, then these. */
const emits = 1 << 16;
const fails = 1 << 17;

/** `transitions[state << 4 | nibble]`. */
const transitions = new Int32Array(256 * 16);
/** 1 for states in which an input may end: at most seven bits of padding, all ones (RFC 7541 5.2). */
const mayEnd = new Uint8Array(256);

buildTables();

function buildTables(): void {
  // Children of inner nodes: ≥ 0 an inner node, < 0 the leaf of symbol -1 - value.
  const children: Array<[number, number]> = [[0, 0]];
  for (let symbol = 0; symbol <= symbolEos; symbol++) {
    let node = 0;
    for (let bit = codeLengths[symbol]! - 1; bit > 0; bit--) {
      const side = (codes[symbol]! >> bit) & 1;
      if (children[node]![side] === 0) {
        children[node]![side] = children.length;
        children.push([0, 0]);
      }
      node = children[node]![side]!;
    }
    children[node]![codes[symbol]! & 1] = -1 - symbol;
  }
  for (let state = 0; state < children.length; state++) {
    for (let nibble = 0; nibble < 16; nibble++) transitions[(state << 4) | nibble] = step(children, state, nibble);
  }
  for (let node = 0, bits = 0; bits < 8; bits++, node = children[node]![1]) mayEnd[node] = 1;
}

function step(children: Array<[number, number]>, state: number, nibble: number): number {
  let node = state;
  let result = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const child = children[node]![(nibble >> bit) & 1]!;
    if (child >= 0) {
      node = child;
    } else if (child === -1 - symbolEos) {
      return fails;
    } else {
      result = emits | ((-1 - child) << 8);
      node = 0;
    }
  }
  return result | node;
}

/**
 * Decodes `input[start, end)` into `output` from 0 on, which has room for 8/5 of the input. The number of bytes written; -1 when the input is not
 * a valid code (EOS inside, wrong or too long padding).
 */
export function decodeHuffman(input: Buffer, start: number, end: number, output: Buffer): number {
  let state = 0;
  let written = 0;
  for (let i = start; i < end; i++) {
    const byte = input[i]!;
    let next = transitions[(state << 4) | (byte >> 4)]!;
    if ((next & fails) !== 0) return -1;
    if ((next & emits) !== 0) output[written++] = next >> 8;
    next = transitions[((next & 0xff) << 4) | (byte & 15)]!;
    if ((next & fails) !== 0) return -1;
    if ((next & emits) !== 0) output[written++] = next >> 8;
    state = next & 0xff;
  }
  return mayEnd[state] === 1 ? written : -1;
}
