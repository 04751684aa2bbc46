/** The control plane itself: its clock against this machine's, and the configuration that it has read. */
import { spanText } from '../../sidecar/runtime/span-text.ts';
import type { AdminFacts } from './admin-facts.ts';
import { counted, type Finding, Findings, named } from './findings.ts';

/** Certificates reach back by a minute; a clock that is further behind takes new ones for not yet valid. */
const backdateMs = 60_000;
const noticedMs = 10_000;
const mostListed = 20;

export function controlPlaneFindings({ info, infoMs }: Pick<AdminFacts, 'info' | 'infoMs'>, at: string): Finding[] {
  const findings = new Findings('control plane');
  const theirsMs = Date.parse(info.now);
  findings.ok(`${at} is ready, up for ${spanText(theirsMs - Date.parse(info.startedAt))}`);
  const aheadMs = infoMs - theirsMs;
  const text = `the clock of this machine is ${spanText(Math.abs(aheadMs))} ${aheadMs < 0 ? 'behind' : 'ahead of'} the control plane's`;
  const next = 'set both clocks by NTP';
  if (aheadMs < -backdateMs) findings.problem(`${text}: new certificates are not yet valid here`, next);
  else if (aheadMs > backdateMs) findings.problem(`${text}: certificates end too early here`, next);
  else if (Math.abs(aheadMs) > noticedMs) findings.warning(text, next);
  return findings.all;
}

/** `own`: of this command. */
export function versionFindings({ info, proxies }: Pick<AdminFacts, 'info' | 'proxies'>, own: string): Finding[] {
  const findings = new Findings('versions');
  // One of before does not say.
  const theirs: string = info.version ?? '';
  if (theirs !== '' && theirs !== own)
    findings.warning(
      `the control plane is outrigger ${theirs}, and this command is ${own}`,
      'use the command of the same version: what one says the other may not know',
    );
  const old = proxies.filter(
    ({ kind, version }) => kind === 'outrigger' && version !== '' && theirs !== '' && version !== theirs,
  );
  for (const [version, rows] of Map.groupBy(old, (row) => row.version))
    findings.warning(
      `${named(rows.map(({ nodeId }) => nodeId))}: outrigger ${version}, and the control plane is ${theirs}`,
      'start them again with the version of the control plane, one service after the other',
    );
  return findings.okUnlessSaid(`control plane, sidecars and this command are outrigger ${own}`);
}

export function configurationFindings({
  info,
  faults,
  warnings,
}: Pick<AdminFacts, 'info' | 'faults' | 'warnings'>): Finding[] {
  const findings = new Findings('configuration');
  for (const { file, text, meanwhile } of faults.slice(0, mostListed))
    findings.problem(
      meanwhile === '' ? text : `${text}; ${meanwhile}`,
      // Of the API server (kubernetes-place.ts) there is no file.
      file === 'Kubernetes'
        ? 'mend the object (kubectl edit), or what the API server lacks: both are seen by themselves'
        : 'mend the file: it is read again by itself',
    );
  if (faults.length > mostListed)
    findings.problem(`and ${faults.length - mostListed} more`, `outrigger validate ${info.configuration.join(' ')}`);
  for (const { resource, place, message } of warnings.slice(0, mostListed))
    findings.warning(
      `${place === '' ? '' : `${place}: `}${resource}: ${message}`,
      'mend it, or leave it so if it is meant',
    );
  if (warnings.length > mostListed)
    findings.warning(`and ${warnings.length - mostListed} more`, `outrigger validate ${info.configuration.join(' ')}`);
  const paths = info.configuration;
  return findings.okUnlessSaid(
    paths.length === 0
      ? 'no files are read (--config)'
      : `${counted(paths.length, 'path is', 'paths are')} read, without faults`,
  );
}
