/** What an installation says of itself, in comments of rules that no packet passes: so `show` needs no file beside the rules, and whoever lists the rules reads what they are of. */
import { UserError } from '../user-error.ts';
import { formatInterceptConfig, type InterceptConfig, parseInterceptConfig } from './intercept-config.ts';
import { isSeal } from './rules-seal.ts';

export interface Marker {
  readonly config: InterceptConfig;
  /** Tables and chains of nftables that iptables made for the rules, and that go with them: `ip nat`, `ip nat PREROUTING`. */
  readonly made: readonly string[];
}

/** nftables has room for 128 bytes in a comment. */
const partLength = 100;

/** Comments, in order. */
export function markerComments({ config, made }: Marker): readonly string[] {
  const words = Object.entries(formatInterceptConfig(config, true)).map(([name, value]) => `${name}=${value}`);
  const text = [...words, `made=${made.map((item) => item.replaceAll(' ', '.')).join(',') || 'none'}`].join(' ');
  const parts = Array.from({ length: Math.ceil(text.length / partLength) }, (_, at) =>
    text.slice(at * partLength, (at + 1) * partLength),
  );
  // Both ends of a part are no spaces: what lists rules may trim them.
  return parts.map((part, at) => `outrigger ${at + 1}/${parts.length} [${part}]`);
}

/** Null: they are no whole marker of this version of the program. Seals of chains may stand behind it. */
export function parseMarker(comments: readonly string[]): Marker | null {
  const own = comments.filter((comment) => !isSeal(comment));
  const parts = own.map((comment) => /^outrigger (\d+)\/(\d+) \[(.*)\]$/.exec(comment));
  if (
    parts.length === 0 ||
    parts.some((part, at) => Number(part?.[1]) !== at + 1 || Number(part?.[2]) !== parts.length)
  )
    return null;
  const text = parts.map((part) => part![3]).join('');
  const flags: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const word of text.split(' ')) {
    const at = word.indexOf('=');
    flags[word.slice(0, at)] = word.slice(at + 1);
  }
  const { made = 'none', ...settings } = flags;
  try {
    return {
      config: parseInterceptConfig(settings),
      made: made === 'none' ? [] : made.split(',').map((item) => item.replaceAll('.', ' ')),
    };
  } catch (error) {
    if (error instanceof UserError) return null;
    throw error;
  }
}
