/** The control plane's data directory, where it is on this machine: whose it is, and who else may read or write there. A control plane that runs does not look again; one that starts refuses. */
import { readdirSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Finding, Findings } from './findings.ts';

/** Bits that nobody else may have. */
const secret = 0o077;
const writable = 0o022;

const ownerOnly = ['instances.json', 'local-token', 'control-plane.pid'] as const;

export function dataDirFindings(folder: string): Finding[] {
  const findings = new Findings('data directory');
  const top = stat(folder);
  if (top === null) {
    findings.skipped(
      `there is no ${folder} on this machine`,
      'run check where the control plane runs, or name its folder with --data-dir',
    );
    return findings.all;
  }
  check(findings, folder, top, writable, 'others may write there, and put an authority of theirs in it');
  const owner = top.uid;
  const authority = join(folder, 'authority');
  const inside = stat(authority);
  if (inside === null) {
    findings.skipped(
      `${folder} holds no authority`,
      "name the control plane's folder with --data-dir, unless it has no TLS door",
    );
    return findings.all;
  }
  const leaked = 'others may have read its keys';
  check(findings, authority, inside, secret, leaked, owner);
  let names: readonly string[] = [];
  try {
    names = readdirSync(authority);
  } catch {
    findings.skipped(
      `${authority} can't be read by this user, which is as it should be`,
      "run check as the control plane's user to look into it",
    );
  }
  for (const path of [...names.map((name) => join(authority, name)), ...ownerOnly.map((name) => join(folder, name))]) {
    const stats = stat(path);
    if (stats !== null)
      check(findings, path, stats, secret, path.startsWith(authority) ? leaked : 'others may read it', owner);
  }
  const bundle = join(folder, 'trust-bundle.pem');
  const bundleStats = stat(bundle);
  if (bundleStats !== null)
    check(findings, bundle, bundleStats, writable, 'others may say whom sidecars believe', owner);
  return findings.okUnlessSaid(`${folder} is its owner's only`);
}

function check(
  findings: Findings,
  path: string,
  stats: Stats,
  forbidden: number,
  effect: string,
  owner = stats.uid,
): void {
  if (stats.uid !== owner)
    findings.problem(
      `${path} belongs to the user ${stats.uid}, and the data directory to ${owner}`,
      `see who put it there; then chown ${owner} ${path}`,
    );
  if ((stats.mode & forbidden) === 0) return;
  const mode = (stats.mode & 0o777).toString(8).padStart(4, '0');
  const rights = forbidden === writable ? 'go-w' : 'go-rwx';
  const more = effect.includes('keys') ? '; if anybody may have read it: outrigger identity rotate' : '';
  findings.problem(`${path} has the mode ${mode}: ${effect}`, `chmod ${rights} ${path}${more}`);
}

/** Null: it is not there, or can't be seen. */
function stat(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}
