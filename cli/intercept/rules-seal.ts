/**
 * Whether rules are still those that were installed: a digest of each chain as it was listed right after, kept as a comment beside what the installation says of itself. Each version of nft and iptables has its own way
 * to write a rule, so what is listed can be compared with nothing but what was listed. A chain without a seal is taken as it is: the script of `--dry-run` makes none. Pure.
 */
import { createHash } from 'node:crypto';

const pattern = /^outrigger chain (\S+) ([0-9a-f]{16})$/;

/** For one chain. `rules`: as they are listed. */
export function sealComment(chain: string, rules: readonly string[]): string {
  return `outrigger chain ${chain} ${digestOf(rules)}`;
}

export function isSeal(comment: string): boolean {
  return pattern.test(comment);
}

type Chains = Iterable<readonly [name: string, rules: readonly string[]]>;

/** Chains of which no seal says anything. */
export function unsealed(
  comments: readonly string[],
  chains: Chains,
): ReadonlyArray<readonly [name: string, rules: readonly string[]]> {
  const sealed = new Set(comments.map((comment) => pattern.exec(comment)?.[1]));
  return [...chains].filter(([name]) => !sealed.has(name));
}

/** Names of chains whose rules are not what they were when they were sealed. */
export function brokenSeals(comments: readonly string[], chains: Chains): readonly string[] {
  const seals = new Map(
    comments.flatMap((comment) => {
      const [, chain, digest] = pattern.exec(comment) ?? [];
      return chain === undefined ? [] : [[chain, digest!]];
    }),
  );
  return [...chains].flatMap(([name, rules]) => {
    const seal = seals.get(name);
    return seal === undefined || seal === digestOf(rules) ? [] : [name];
  });
}

function digestOf(rules: readonly string[]): string {
  return createHash('sha256').update(rules.join('\n')).digest('hex').slice(0, 16);
}
