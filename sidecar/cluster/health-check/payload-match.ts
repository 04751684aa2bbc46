/** Envoy's "fuzzy" payload match: every block is found, in their order, with anything between them. */

export function payloadMatches(received: Buffer, blocks: readonly Buffer[]): boolean {
  let from = 0;
  for (const block of blocks) {
    const at = received.indexOf(block, from);
    if (at < 0) return false;
    from = at + block.length;
  }
  return true;
}
