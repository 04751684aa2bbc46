/** The commands of `outrigger identity` that look at proxies, and their flags; the work of each is in a file of its own under commands/. */
import type { Command } from 'commander';
import { withExample } from './command-example.ts';
import { flag, output, sidecarAdmin } from './flag.ts';

export function addProxyIdentityCommands(group: Command): void {
  withExample(
    group
      .command('show')
      .description(
        "A sidecar's identity: ID, issuer, serial, until when, renewed when. Exit 1 in the last quarter of its life.",
      ),
    'outrigger identity show --admin 127.0.0.1:15000',
  )
    .addOption(sidecarAdmin())
    .addOption(output())
    .action(async (options) => {
      process.exitCode = await (await import('./commands/identity-show.ts')).identityShow(options, Date.now());
    });
  withExample(
    group
      .command('verify')
      .description(
        'Does a TLS handshake, and says who the peer is by the rules of the mesh, or which rule it breaks: then exit 1.',
      ),
    'outrigger identity verify 127.0.0.1:15012 --expect spiffe://cluster.local/ns/outrigger/sa/control-plane',
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
