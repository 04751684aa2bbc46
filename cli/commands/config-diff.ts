/** `outrigger config diff`: what differs between two configurations. The control plane is compared in what it has sent; what a sidecar has from its bootstrap is none of it. */
import '../quiet-grpc.ts';
import { stringify } from 'yaml';
import { configDifferences, differencesText } from '../config/config-differences.ts';
import type { ConfigResource } from '../config/config-resource.ts';
import { fileConfig, sidecarConfig } from '../config/config-source.ts';
import { controlPlaneView } from '../config/control-plane-view.ts';
import { formatHostPort, type HostPort, parseHostPort } from '../host-port.ts';
import { noSidecar, sidecarJson } from '../sidecar-admin.ts';
import { type ConfigOptions, selected } from './config.ts';

interface Side {
  readonly title: string;
  readonly resources: readonly ConfigResource[];
}

/** `left`: undefined is the control plane; `right`: undefined is the sidecar at --admin. Exit code 1 when something differs. */
export async function configDiff(
  left: string | undefined,
  right: string | undefined,
  options: ConfigOptions,
): Promise<number> {
  const admin = parseHostPort('--admin', options.sidecarAdmin);
  const [one, other] =
    left === undefined
      ? await againstControlPlane(parseHostPort('--control-plane', options.controlPlane), admin)
      : await Promise.all([sideOf(left), right === undefined ? sidecarSide(admin) : sideOf(right)]);
  const [before, after] = [selected(one.resources, options), selected(other.resources, options)];
  const differences = configDifferences(before, after);
  if (options.output === 'json') process.stdout.write(`${JSON.stringify(differences, null, 2)}\n`);
  else if (options.output === 'yaml') process.stdout.write(stringify(differences, { aliasDuplicateObjects: false }));
  else process.stdout.write(differencesText(differences, one.title, other.title));
  if (differences.length === 0)
    process.stderr.write(
      `outrigger: no difference between ${one.title} and ${other.title} (${before.length} resources)\n`,
    );
  return differences.length === 0 ? 0 : 1;
}

/** An address is one of a sidecar; anything else is a file. */
function sideOf(text: string): Promise<Side> | Side {
  if (/^(?:\[[\da-fA-F:.]+\]|[-\w.]+):\d{1,5}$/.test(text)) return sidecarSide(parseHostPort('config diff', text));
  return { title: text, resources: fileConfig(text) };
}

async function sidecarSide(address: HostPort): Promise<Side> {
  return { title: `the sidecar at ${formatHostPort(address)}`, resources: await sidecarConfig(address) };
}

async function againstControlPlane(controlPlane: HostPort, admin: HostPort): Promise<readonly [Side, Side]> {
  const at = formatHostPort(controlPlane);
  const { node } = (await sidecarJson(admin, '/server_info')) as { readonly node?: { readonly id?: string } };
  const id = node?.id ?? '';
  if (id === '') throw noSidecar(formatHostPort(admin), 'what answers there has no node id');
  const view = await controlPlaneView(at, id, true);
  const sidecar = await sidecarSide(admin);
  const stale = view.resources.filter(({ state }) => state === 'STALE');
  if (stale.length > 0)
    process.stderr.write(
      `outrigger: ${id} has not answered yet to ${stale.length} resources, or there are newer ones that it was not sent; outrigger status shows it\n`,
    );
  // What is known by its version alone cannot be compared, nor can secrets, which the control plane does not tell.
  const told = view.resources.filter(({ resource }) => resource !== null);
  const untold = new Set(
    view.resources.filter(({ resource }) => resource === null).map(({ kind, name }) => `${kind} ${name}`),
  );
  const comparable = sidecar.resources.filter(
    ({ kind, name, origin }) => origin === 'dynamic' && kind !== 'secrets' && !untold.has(`${kind} ${name}`),
  );
  return [
    { title: `the control plane at ${at}, for ${id}`, resources: told },
    { title: sidecar.title, resources: comparable },
  ];
}
