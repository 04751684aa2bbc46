/** The commands of `outrigger identity` that look at proxies, and their flags; the work of each is in a file of its own under commands/. */
import type { Command, Option } from 'commander';

export interface ProxyIdentityOptions {
  readonly flag: (flags: string, description: string, fallback?: string) => Option;
  readonly output: () => Option;
}

export function addProxyIdentityCommands(group: Command, { flag, output }: ProxyIdentityOptions): void {
  group
    .command('show')
    .description(
      "A sidecar's identity: ID, issuer, serial, until when, renewed when. Exit 1 in the last quarter of its life.",
    )
    .addHelpText('after', '\nExample:\n  outrigger identity show --admin 127.0.0.1:15000')
    .addOption(flag('--admin <HOST:PORT>', "the sidecar's admin port", '127.0.0.1:15000'))
    .addOption(output())
    .action(async (options) => {
      process.exitCode = await (await import('./commands/identity-show.ts')).identityShow(options, Date.now());
    });
  group
    .command('verify')
    .description(
      'Does a TLS handshake, and says who the peer is by the rules of the mesh, or which rule it breaks: then exit 1.',
    )
    .addHelpText(
      'after',
      '\nExample:\n  outrigger identity verify 127.0.0.1:15012 --expect spiffe://cluster.local/ns/outrigger/sa/control-plane',
    )
    .argument('<HOST:PORT>', 'who speaks TLS there')
    .addOption(flag('--trust-bundle <FILE>', "the mesh's roots (PEM); default: trust-bundle.pem in --data-dir"))
    .addOption(flag('--data-dir <DIR>', 'the data directory of a control plane on this machine'))
    .addOption(flag('--trust-domain <NAME>', 'whose roots these are; with --expect, that of the ID', 'cluster.local'))
    .addOption(flag('--expect <SPIFFE-ID>', 'who it has to be'))
    .addOption(output())
    .action(async (address: string, options) => {
      process.exitCode = await (await import('./commands/identity-verify.ts')).identityVerify(
        address,
        options,
        Date.now(),
      );
    });
}
