/** The commands about live traffic: explain, top, edges, tap. */
import { Argument, type Command, type Option } from 'commander';
import { withExample } from './command-example.ts';
import { controlPlaneAdmin, dataDir, flag, output, sidecarInstead } from './flag.ts';

const again = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];

/** A name without a namespace is that of the only service that is called so. */
const from = (): Option => flag('--from <SERVICE>', 'only what this service calls, as namespace/name or name');
const to = (): Option => flag('--to <SERVICE>', 'only calls to this service');
const window = (): Option => flag('--window <DURATION>', 'the time that figures are for, 1s to 60s', '10s');

export function addLiveCommands(root: Command): void {
  const command = (name: string, description: string, example: string): Command =>
    withExample(root.command(name).description(description), example);

  command(
    'explain',
    'What happened to one request, hop by hop, in words, with the likely cause and what to do next. Exit 1 when nobody knows it.',
    'outrigger explain 5f0c1b6e-3a77-4f0e-9d0c-2b1f6f6b1a11\n  outrigger explain 4bf92f3577b34da6a3ce929d0e0e4736      by its trace id',
  )
    .addArgument(new Argument('<request-id>', 'x-request-id of its answer, or its trace id'))
    .addOption(controlPlaneAdmin())
    .addOption(sidecarInstead())
    .addOption(output())
    .action(async (requestId: string, options) => {
      process.exitCode = await (await import('./commands/explain.ts')).explain(requestId, options);
    });

  command(
    'top',
    'Live figures by route, the busiest first: again and again on a terminal, once elsewhere.',
    'outrigger top\n  outrigger top --edges --to payments\n  outrigger top --count 1 -o json',
  )
    .addOption(flag('--edges', 'by edge: who calls whom').conflicts('routes'))
    .addOption(flag('--routes', 'by route; the default'))
    .addOption(from())
    .addOption(to())
    .addOption(window())
    .addOption(flag('--every <DURATION>', 'how often', '2s'))
    .addOption(flag('--count <N>', 'end after so many looks'))
    .addOption(controlPlaneAdmin())
    .addOption(output())
    .action(async (options) => (await import('./commands/top.ts')).top(options));

  command(
    'edges',
    'Who calls whom: how often, how fast, how much fails, and whether under mTLS.',
    'outrigger edges\n  outrigger edges --to payments -o json',
  )
    .addOption(from())
    .addOption(to())
    .addOption(window())
    .addOption(controlPlaneAdmin())
    .addOption(output())
    .action(async (options) => (await import('./commands/edges.ts')).edges(options));

  command(
    'tap',
    'Shows requests as they end, of all sidecars, by a filter, until Ctrl-C. Secrets are masked in the sidecars.',
    'outrigger tap --to payments --errors\n  outrigger tap --from storefront --path /buy --headers --limit 5 -o json',
  )
    .addOption(from())
    .addOption(to())
    .addOption(flag('--side <SIDE>', 'in or out: as the sidecar of who is called sees it, or of who calls'))
    .addOption(flag('--route <NAME>', 'of this route, as outrigger top shows it'))
    .addOption(flag('--method <METHOD>', 'of this method'))
    .addOption(flag('--path <PREFIX>', 'whose path begins like this'))
    .addOption(flag('--status <STATUS>', 'a status (503), a class (5xx), or a gRPC status (grpc:14)'))
    .addOption(flag('--flagged <FLAG>', 'with this response flag, as UF'))
    .addOption(flag('--errors', 'that failed: a flag, a status from 500 on, or a gRPC status other than 0'))
    .addOption(flag('--min-duration <DURATION>', 'that took as long, as 250ms'))
    .addOption(
      flag('--header <NAME[=VALUE]>', 'with this header field; may be given again: then with all of them').argParser(
        again,
      ),
    )
    .addOption(flag('--limit <N>', 'end after so many'))
    .addOption(flag('--headers', 'show header fields too; those that hold secrets are masked'))
    .addOption(flag('--bodies <N>', 'show the first N bytes of bodies too, 65536 at most: whatever is in them'))
    .addOption(dataDir('the data directory of the control plane, which has the local token'))
    .addOption(controlPlaneAdmin())
    .addOption(
      flag('-o, --output <FORMAT>', 'how to print; json: a line for each').choices(['table', 'json']).default('table'),
    )
    .action(async (options) => (await import('./commands/tap.ts')).tap(options));
}
