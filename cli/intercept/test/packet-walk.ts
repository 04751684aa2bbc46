/** A packet's way through rules of iptables as they are written: enough of iptables for ours, and an error for anything else. */
import { holdsAddress, parseAddressRange } from '../address-range.ts';
import type { TableContent } from '../render-iptables.ts';

export interface Packet {
  readonly protocol: 'tcp' | 'udp';
  readonly from: string;
  readonly to: string;
  readonly port: number;
  readonly in?: string;
  readonly out?: string;
  readonly fromLocal: boolean;
  readonly toLocal: boolean;
  readonly uid?: number;
  readonly gid?: number;
  readonly mark: number;
}

/** `pass`, or the target that takes it with its port: `REDIRECT 15001`. */
export function walk(table: TableContent, builtin: string, packet: Packet): string {
  for (const hook of table.hooks) {
    const [chain, ...words] = hook.split(' ');
    if (chain !== builtin) continue;
    const verdict = follow(table, words, packet);
    if (verdict !== null && verdict !== 'pass') return verdict;
  }
  return 'pass';
}

/** Null: the rule does not match, or changes only the packet. */
function follow(table: TableContent, words: readonly string[], packet: Packet): string | null {
  let not = false;
  let matches = true;
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    const value = words[at + 1] ?? '';
    const check = (is: boolean): void => {
      matches &&= is !== not;
      not = false;
      at++;
    };
    const name = (found: string | undefined): boolean =>
      value.endsWith('+') ? (found ?? '').startsWith(value.slice(0, -1)) : found === value;
    const inRange = (address: string): boolean => {
      const range = parseAddressRange(value)!;
      return range.family === (address.includes(':') ? 'IPv6' : 'IPv4') && holdsAddress([range], address);
    };
    switch (word) {
      case '!':
        not = true;
        break;
      case '-m':
        at++;
        break;
      case '-p':
        check(packet.protocol === value);
        break;
      case '-s':
        check(inRange(packet.from));
        break;
      case '-d':
        check(inRange(packet.to));
        break;
      case '-i':
        check(name(packet.in));
        break;
      case '-o':
        check(name(packet.out));
        break;
      case '--dport':
      case '--dports':
        check(
          value.split(',').some((part) => {
            const [from, to = from] = part.split(':');
            return Number(from) <= packet.port && packet.port <= Number(to);
          }),
        );
        break;
      case '--uid-owner':
        check(packet.uid === Number(value));
        break;
      case '--gid-owner':
        check(packet.gid === Number(value));
        break;
      case '--mark':
        // Of the packet; connection marks are none yet.
        check(words[at - 1] === 'mark' && packet.mark === Number(value));
        break;
      case '--src-type':
        check(packet.fromLocal);
        break;
      case '--dst-type':
        check(packet.toLocal);
        break;
      case '--ctstate':
        check(true);
        break;
      case '--ctdir':
        check(value === 'ORIGINAL');
        break;
      case '-j':
      case '-g':
        if (!matches) return null;
        return target(table, word, value, words.slice(at + 2), packet);
      default:
        throw new Error(`not known here: ${words.join(' ')}`);
    }
  }
  throw new Error(`without a target: ${words.join(' ')}`);
}

function target(
  table: TableContent,
  how: string,
  name: string,
  rest: readonly string[],
  packet: Packet,
): string | null {
  if (name === 'RETURN') return 'pass';
  if (name === 'MARK' || name === 'CONNMARK') return null;
  if (name === 'REDIRECT' || name === 'TPROXY') return `${name} ${rest[1]}`;
  for (const rule of table.chains.get(name)!) {
    const verdict = follow(table, rule.split(' '), packet);
    if (verdict !== null) return verdict;
  }
  // Behind the end of a chain: after a goto it goes on where that chain was come to from.
  return how === '-g' ? 'pass' : null;
}
