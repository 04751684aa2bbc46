/** `outrigger config`: a proxy's configuration, from its admin port, or from its control plane by its name. */
import '../quiet-grpc.ts';
import { stringify } from 'yaml';
import type { ConfigResource, ResourceKind } from '../config/config-resource.ts';
import { inOrder, sidecarConfig } from '../config/config-source.ts';
import { configTables } from '../config/config-tables.ts';
import { controlPlaneView } from '../config/control-plane-view.ts';
import { formatHostPort, parseHostPort } from '../host-port.ts';
import type { OutputFormat } from '../print-data.ts';

export interface ConfigSelection {
  readonly type?: ResourceKind;
  readonly name?: string;
}

export interface ConfigOptions extends ConfigSelection {
  readonly sidecarAdmin: string;
  readonly controlPlane: string;
  readonly output: OutputFormat;
}

/** `proxy`: undefined asks the sidecar itself. */
export async function config(proxy: string | undefined, options: ConfigOptions): Promise<void> {
  const all =
    proxy === undefined
      ? await sidecarConfig(parseHostPort('--admin', options.sidecarAdmin))
      : await connected(formatHostPort(parseHostPort('--control-plane', options.controlPlane)), proxy);
  const found = selected(all, options);
  if (options.output === 'json') process.stdout.write(`${JSON.stringify(found, null, 2)}\n`);
  else if (options.output === 'yaml') process.stdout.write(stringify(found, { aliasDuplicateObjects: false }));
  else process.stdout.write(configTables(found));
  for (const { kind, name, fault } of found)
    if (fault !== '' && options.output === 'table')
      process.stderr.write(`outrigger: ${kind} ${name}: refused: ${fault}\n`);
  if (found.length === 0)
    process.stderr.write(
      `outrigger: ${all.length === 0 ? 'there is no configuration' : `none of ${all.length} resources is meant; without --type and --name all are shown`}\n`,
    );
}

async function connected(target: string, proxy: string): Promise<ConfigResource[]> {
  return inOrder((await controlPlaneView(target, proxy)).resources);
}

/** The bootstrap only where it is asked for: all that is in force is among the others. */
export function selected(resources: readonly ConfigResource[], { type, name = '' }: ConfigSelection): ConfigResource[] {
  return resources.filter(
    (resource) =>
      (type === undefined ? resource.kind !== 'bootstrap' : resource.kind === type) && resource.name.includes(name),
  );
}
