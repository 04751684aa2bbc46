/** The commands of `outrigger config` and their flags; the work is in commands/config.ts and commands/config-diff.ts. */
import { type Command, Option } from 'commander';
import { withExample } from './command-example.ts';
import { resourceKinds } from './config/config-resource.ts';
import { environmentName } from './environment.ts';
import { controlPlane, flag, output, sidecarAdmin } from './flag.ts';
import { UserError } from './user-error.ts';

const type = (): Option =>
  new Option('--type <KIND>', 'only resources of this kind').choices(resourceKinds).env(environmentName('type'));
const name = (): Option => flag('--name <TEXT>', 'only resources with this in their name');

export function addConfigCommands(root: Command): void {
  const config = withExample(
    root
      .command('config')
      .description(
        "Shows a proxy's effective configuration: of the sidecar at --admin, or of a connected proxy by its name, as the control plane has sent it (xDS CSDS).",
      ),
    'outrigger config\n  outrigger config --type routes --name payments -o yaml\n  outrigger config orders.shop-host-4121      as outrigger status names it; a part of the name will do',
  )
    .argument('[proxy]', "of which proxy, by its node's id; without it the sidecar itself is asked")
    .addOption(type())
    .addOption(name())
    .addOption(sidecarAdmin())
    .addOption(controlPlane())
    .addOption(output())
    .action(async (proxy: string | undefined, options) =>
      (await import('./commands/config.ts')).config(proxy, options),
    );
  withExample(
    config
      .command('diff')
      .description(
        'Says what differs: what the control plane has sent against what the sidecar has; or two of sidecars and files. Exit 1 when something does.',
      ),
    'outrigger config diff      the control plane against the sidecar at --admin\n  outrigger config diff 127.0.0.1:15000 127.0.0.1:15100      two sidecars\n  outrigger config diff before.json      what outrigger config -o json has printed, against the sidecar at --admin',
  )
    .argument('[left]', 'HOST:PORT of a sidecar, or a file; without it the control plane')
    .argument('[right]', 'the same; without it the sidecar at --admin')
    .addOption(type())
    .addOption(name())
    .addOption(sidecarAdmin())
    .addOption(controlPlane())
    .addOption(output())
    .action(async (left: string | undefined, right: string | undefined, options) => {
      // commander gives flags before the word to the outer command, which would not count here.
      const outside = config.options.find((option) => config.getOptionValueSource(option.attributeName()) === 'cli');
      if (outside !== undefined) throw new UserError(`write ${outside.long} behind config diff, not before it`, 2);
      process.exitCode = await (await import('./commands/config-diff.ts')).configDiff(left, right, options);
    });
}
