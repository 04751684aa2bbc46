/** The commands of `outrigger identity` and their flags; the work of each is in a file of its own under commands/. */
import type { Command, Option } from 'commander';

export interface SharedOptions {
  readonly flag: (flags: string, description: string, fallback?: string) => Option;
  readonly output: () => Option;
  readonly controlPlaneAdmin: () => Option;
  readonly dataDir: (description: string) => Option;
}

const readsToken = "the control plane's data directory, whose local token proves that this is its owner";

export function addIdentityCommands(group: Command, { flag, output, controlPlaneAdmin, dataDir }: SharedOptions): void {
  const token = group
    .command('token')
    .description('Join tokens: what a workload shows for its first certificate.')
    .addHelpText('after', '\nExample:\n  outrigger identity token create --service shop/orders');
  token
    .command('create')
    .description('Makes a join token for an account and prints it, once.')
    .addHelpText('after', '\nExample:\n  outrigger identity token create --service shop/orders --uses 3 --lifetime 1h')
    .addOption(
      flag(
        '--service <NS/NAME>',
        'whose certificates its bearer gets: namespace and service account',
      ).makeOptionMandatory(),
    )
    .addOption(flag('--uses <N>', 'how many keys it is good for', '1'))
    .addOption(flag('--lifetime <DURATION>', 'how long it lasts', '1h'))
    .addOption(dataDir(readsToken))
    .addOption(controlPlaneAdmin())
    .addOption(output())
    .action(async (options) => (await import('./commands/identity-token.ts')).createToken(options));
  token
    .command('list')
    .description('Lists join tokens, without their secrets.')
    .addHelpText('after', '\nExample:\n  outrigger identity token list -o json')
    .addOption(controlPlaneAdmin())
    .addOption(output())
    .action(async (options) => (await import('./commands/identity-token.ts')).listTokens(options));
  token
    .command('revoke')
    .description('Revokes a join token; certificates that it brought go on to their end.')
    .addHelpText('after', '\nExample:\n  outrigger identity token revoke 8e69a77bdd233e35')
    .argument('<id>', 'as `identity token list` shows it')
    .addOption(dataDir(readsToken))
    .addOption(controlPlaneAdmin())
    .action(async (id: string, options) => (await import('./commands/identity-token.ts')).revokeToken(id, options));

  group
    .command('authority')
    .description('Shows who signs, who is trusted, and how far a root rotation is.')
    .addHelpText('after', '\nExample:\n  outrigger identity authority')
    .addOption(controlPlaneAdmin())
    .addOption(output())
    .action(async (options) => (await import('./commands/identity-authority.ts')).showAuthority(options));
  group
    .command('rotate')
    .description('Replaces the root: the new one is made known first, and signs when every proxy has it.')
    .addHelpText('after', '\nExample:\n  outrigger identity rotate')
    .addOption(
      flag('--force', 'the next step of a rotation now, whoever is not ready: for a root whose key has leaked'),
    )
    .addOption(
      flag('--revert', 'back out of a rotation: the root before signs again, both stay trusted until all have moved'),
    )
    .addOption(dataDir(readsToken))
    .addOption(controlPlaneAdmin())
    .addOption(output())
    .action(async (options) => (await import('./commands/identity-authority.ts')).rotate(options));
}
