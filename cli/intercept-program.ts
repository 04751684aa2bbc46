/** The commands of `outrigger intercept` and their flags; the work is in commands/intercept.ts. */
import type { Command, Option } from 'commander';
import { withExample } from './command-example.ts';
import { flag, output } from './flag.ts';
import { type InterceptFlags, settingFlags } from './intercept/intercept-config.ts';

export function addInterceptCommands(group: Command): void {
  const netns = (): Option =>
    flag(
      '--netns <PATH>',
      'act inside of this network namespace: a file such as /proc/PID/ns/net, or a name of ip netns',
    );
  const dryRun = (): Option => flag('--dry-run', 'print the commands that would be run, and run none');
  const verify = (): Option => flag('--verify', 'try the rules by real connections, and say which of them fails');

  const install = withExample(
    group
      .command('install')
      .description(
        "Leads this host's or pod's TCP connections through the sidecar. What is installed already is replaced at once, or left as it is when it is the same.",
      ),
    'outrigger intercept install --exclude-outbound-ports 5432 --verify\n  outrigger intercept install --netns /proc/4121/ns/net --mode tproxy --dry-run',
  )
    .addOption(flag('--backend <NAME>', 'nftables or iptables', 'auto'))
    .addOption(flag('--ipv6 <WHEN>', 'connections of IPv6 too: auto (where there is any), on or off', 'auto'));
  const addSettings = (command: Command): void => {
    for (const { name, value, placeholder, description } of settingFlags)
      command.addOption(flag(`--${name} <${placeholder}>`, `${description} (default: ${value})`));
  };
  addSettings(install);
  install
    .addOption(
      flag('--app-uid <UID,…>', "the application's users, where they are known: they must not be the sidecar's"),
    )
    .addOption(flag('--allow-host-network', "act on the host's own network; port 22 is left alone then"))
    .addOption(netns())
    .addOption(dryRun())
    .addOption(verify())
    .action(async (options: Record<string, string | boolean | undefined>) => {
      const { interceptInstall } = await import('./commands/intercept.ts');
      process.exitCode = await interceptInstall(options as never, settings(options));
    });
  withExample(
    group.command('remove').description('Takes away all that install has made, whole or half: nothing is left behind.'),
    'outrigger intercept remove',
  )
    .addOption(netns())
    .addOption(dryRun())
    .action(async (options) => {
      process.exitCode = await (await import('./commands/intercept.ts')).interceptRemove(options);
    });
  const check = withExample(
    group
      .command('verify')
      .description(
        "Tries by real connections that somebody's rules lead this user's traffic to the sidecar, as a CNI plugin's, with no right at all: what a process of that user may do is enough. Run it before the sidecar or beside it, as a user that is not the sidecar's; the settings are those that the rules are to have.",
      ),
    'outrigger intercept verify --exclude-outbound-ports 5432\n  outrigger intercept verify --netns /proc/4121/ns/net',
  ).addOption(flag('--ipv6 <WHEN>', 'IPv6 too: auto (where this host can be called by it), on or off', 'auto'));
  addSettings(check);
  check.addOption(netns()).action(async (options: Record<string, string | boolean | undefined>) => {
    const { interceptVerify } = await import('./commands/intercept.ts');
    process.exitCode = await interceptVerify(options as never, settings(options));
  });
  withExample(
    group
      .command('show')
      .description('Says what is installed, and by which backend. Exit 1 when some of it is missing.'),
    'outrigger intercept show --verify\n  outrigger intercept show -o json',
  )
    .addOption(netns())
    .addOption(verify())
    .addOption(output())
    .action(async (options) => {
      process.exitCode = await (await import('./commands/intercept.ts')).interceptShow(options);
    });
}

/** By flag. */
function settings(options: Readonly<Record<string, string | boolean | undefined>>): InterceptFlags {
  const camelCase = (name: string): string => name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(
    settingFlags.flatMap(({ name }) => {
      const value = options[camelCase(name)];
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
}
