/** The commands of `outrigger identity` and their flags; the work of each is in a file of its own under commands/. */
import type { Command } from 'commander';
import { withExample } from './command-example.ts';
import { controlPlaneAdmin, dataDir, flag, output } from './flag.ts';

const readsToken = "the control plane's data directory, whose local token proves that this is its owner";

export function addIdentityCommands(group: Command): void {
  const token = withExample(
    group.command('token').description('Join tokens: what a workload shows for its first certificate.'),
    'outrigger identity token create --service shop/orders',
  );
  withExample(
    token.command('create').description('Makes a join token for an account and prints it, once.'),
    'outrigger identity token create --service shop/orders --uses 3 --lifetime 1h',
  )
    .addOption(
      flag(
        '--service <NS/NAME>',
        'whose certificates its bearer gets: namespace and service account',
      ).makeOptionMandatory(),
    )
    .addOption(flag('--uses <N>', 'how many keys it is good for', '1'))
    .addOption(flag('--lifetime <DURATION>', 'how long it lasts', '1h'))
    .addOption(
      flag(
        '--to <DIR>',
        'write it into this folder instead, as join-token, and trust-bundle.pem beside it: all that a sidecar elsewhere needs',
      ),
    )
    .addOption(dataDir(readsToken))
    .addOption(controlPlaneAdmin())
    .addOption(output())
    .action(async (options) => (await import('./commands/identity-token.ts')).createToken(options));
  withExample(
    token.command('list').description('Lists join tokens, without their secrets.'),
    'outrigger identity token list -o json',
  )
    .addOption(controlPlaneAdmin())
    .addOption(output())
    .action(async (options) => (await import('./commands/identity-token.ts')).listTokens(options));
  withExample(
    token.command('revoke').description('Revokes a join token; certificates that it brought go on to their end.'),
    'outrigger identity token revoke 8e69a77bdd233e35',
  )
    .argument('<id>', 'as `identity token list` shows it')
    .addOption(dataDir(readsToken))
    .addOption(controlPlaneAdmin())
    .action(async (id: string, options) => (await import('./commands/identity-token.ts')).revokeToken(id, options));

  withExample(
    group.command('authority').description('Shows who signs, who is trusted, and how far a root rotation is.'),
    'outrigger identity authority',
  )
    .addOption(controlPlaneAdmin())
    .addOption(output())
    .action(async (options) => (await import('./commands/identity-authority.ts')).showAuthority(options));
  withExample(
    group
      .command('rotate')
      .description('Replaces the root: the new one is made known first, and signs when every proxy has it.'),
    'outrigger identity rotate',
  )
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
