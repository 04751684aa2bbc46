/** The programs called iptables: on one machine there may be those over the kernel's older tables (legacy) beside those over nftables, and neither sees the rules of the other. */
import type { Family } from './address-range.ts';
import { parseIptablesSave, type SavedTables } from './iptables-save.ts';
import { faultText, hasTool, runTool } from './kernel-tool.ts';
import { tableNames } from './render-iptables.ts';

export interface IptablesVariant {
  /** `iptables`, `iptables-legacy` or `iptables-nft`. */
  readonly name: string;
  /** Whether its tables are those of nftables. */
  readonly overNftables: boolean;
}

/** The one that is called plain iptables first; none where there is none. */
export function iptablesVariants(): readonly IptablesVariant[] {
  if (!hasTool('iptables')) return [];
  const overNftables = /nf_tables/.test(runTool(['iptables', '--version']).stdout);
  const other = overNftables ? 'iptables-legacy' : 'iptables-nft';
  const plain = { name: 'iptables', overNftables };
  return hasTool(other) ? [plain, { name: other, overNftables: !overNftables }] : [plain];
}

/** `iptables-legacy`, IPv6, save: `ip6tables-legacy-save`. */
export function iptablesProgram({ name }: IptablesVariant, family: Family, what: 'save' | 'restore'): string {
  return `${family === 'IPv4' ? name : name.replace('ip', 'ip6')}-${what}`;
}

export interface ReadTables extends SavedTables {
  readonly variant: IptablesVariant;
  readonly family: Family;
  /** '': they could be read. Else nothing of ours is in them, as far as one knows, and why. */
  readonly unreadable: string;
}

export function readIptables(variant: IptablesVariant, family: Family): ReadTables {
  const program = iptablesProgram(variant, family, 'save');
  // All tables at once: one that is named would be made by the older programs.
  const { code, stdout, stderr } = hasTool(program)
    ? runTool([program])
    : { code: 1, stdout: '', stderr: 'it is not here; install the package iptables' };
  const strange = tableNames.find((name) =>
    new RegExp(`^# Table .${name}. is incompatible`, 'm').test(stdout + stderr),
  );
  let unreadable = code === 0 ? '' : faultText([program], stderr);
  if (strange !== undefined && variant.overNftables)
    unreadable = `another program has made the table ${strange} with nft in a way that iptables cannot read; use --backend nftables`;
  return { ...parseIptablesSave(code === 0 ? stdout : ''), variant, family, unreadable };
}
