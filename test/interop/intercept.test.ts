/**
 * `outrigger intercept` with real kernels: a pod and somebody outside in network namespaces, an application, and a small program in the place of the sidecar. What the rules lead where, what passes by, and
 * that nothing is left of them.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, test } from 'vitest';
import { restoreText } from '../../cli/intercept/iptables-save.ts';
import { markerComments } from '../../cli/intercept/marker.ts';
import { iptablesTables, noTables } from '../../cli/intercept/render-iptables.ts';
import { nftablesText } from '../../cli/intercept/render-nftables.ts';
import { buildRuleSet } from '../../cli/intercept/rule-set.ts';
import { arbitraryConfig } from '../../cli/intercept/test/arbitrary-config.ts';
import { addresses, InterceptNetwork } from './intercept-network.ts';
import { outriggerProgram, Stage } from './programs.ts';

const here = dirname(fileURLToPath(import.meta.url));
const program = (name: string): readonly string[] => [
  process.execPath,
  '--disable-warning=ExperimentalWarning',
  join(here, name),
];
const backends = ['nftables', 'iptables'] as const;
const modes = ['redirect', 'tproxy'] as const;
const excluded = ['--exclude-outbound-ports', '5432', '--exclude-inbound-ports', '9443'];
const ranges = ['--exclude-outbound-ranges', `${addresses.IPv4.other},${addresses.IPv6.other}/128`];

describe.each(backends.flatMap((backend) => modes.map((mode) => [backend, mode] as const)))(
  '%s, %s',
  (backend, mode) => {
    const stage = new Stage();
    let network: InterceptNetwork;
    let before: string;
    const install = [
      ...['install', '--backend', backend, '--mode', mode, '--dns-port', '15053', '--app-uid', '1000'],
      ...excluded,
      ...ranges,
    ];

    beforeAll(async () => {
      network = new InterceptNetwork();
      // Somebody else's rules, which are to stay as they are.
      network.run(network.pod, 'iptables', '-t', 'nat', '-A', 'OUTPUT', '-p', 'tcp', '--dport', '7', '-j', 'RETURN');
      network.run(network.pod, 'nft', 'add', 'table', 'inet', 'others');
      before = network.snapshot();
      const start = async (name: string, namespace: string, words: readonly string[]): Promise<void> => {
        await stage.start(name, network.inside(namespace, words)).line(/(listening)/);
      };
      await start('outside', network.outside, [...program('intercept-app-program.ts'), 'outside', '8080', '5432']);
      await start('app', network.pod, [...program('intercept-app-program.ts'), 'app', '9080', '9081', '9443', '15020']);
      const services = (['IPv4', 'IPv6'] as const).map(
        (family) => `${addresses[family].service} 80=${addresses[family].pod} 9080`,
      );
      await start('proxy', network.pod, [...program('intercept-proxy-program.ts'), mode, ...services]);
      expect(network.intercept(install)).toMatchObject({ code: 0 });
    });
    afterAll(async () => {
      await stage.stop();
      network.remove();
    });

    describe.each(['IPv4', 'IPv6'] as const)('%s', (family) => {
      const { pod, outside, other, service } = addresses[family];
      const loopback = family === 'IPv4' ? '127.0.0.1' : '::1';
      const handedOnFrom = family === 'IPv4' ? '127.0.0.6' : '::6';
      /** By TPROXY the application sees the caller. */
      const seenBy = (caller: string): string =>
        mode === 'tproxy' ? `app saw ${caller} on ${loopback} 9080` : `app saw ${handedOnFrom} on ${pod} 9080`;

      it("leads the application's connections to the proxy, which learns where to; the proxy's own go out", () => {
        const heard = network.call('pod', outside, 8080);
        expect(heard).toEqual([`outbound ${outside} 8080`, `outside saw ${pod} on ${outside} 8080`]);
      });

      it("leads others' connections to the proxy, and its own reach the application", () => {
        const heard = network.call('outside', pod, 9080);
        expect(heard).toEqual([`inbound ${pod} 9080 from ${outside}`, seenBy(outside)]);
      });

      it('lets the proxy hand on to the very place that the connection was for', () => {
        const seen = mode === 'tproxy' ? outside : handedOnFrom;
        const heard = network.call('outside', pod, 9081);
        expect(heard).toEqual([`inbound ${pod} 9081 from ${outside}`, `app saw ${seen} on ${pod} 9081`]);
      });

      it('leads the application that calls its own service through both sides of the proxy', () => {
        const heard = network.call('pod', service, 80);
        expect(heard).toEqual([`outbound ${service} 80`, `inbound ${pod} 9080 from ${pod}`, seenBy(pod)]);
      });

      it.each([
        ['its own address', pod],
        ['loopback', loopback],
      ])('lets the application call itself at %s', (_, host) => {
        const [first = ''] = network.call('pod', host, 9080);
        expect(first).toMatch(new RegExp(`^app saw \\S+ on ${host.replaceAll('.', '\\.')} 9080$`));
      });

      it("lets pass what the proxy's user sends", () => {
        expect(network.call('pod', outside, 8080, { uid: 1337 })).toEqual([`outside saw ${pod} on ${outside} 8080`]);
      });

      it('lets pass ports and addresses that are left out, outbound', () => {
        expect(network.call('pod', outside, 5432)).toEqual([`outside saw ${pod} on ${outside} 5432`]);
        expect(network.call('pod', other, 8080)).toEqual([`outside saw ${pod} on ${other} 8080`]);
      });

      it('lets pass ports that are left out and the health port, inbound', () => {
        for (const port of [9443, 15020])
          expect(network.call('outside', pod, port)).toEqual([`app saw ${outside} on ${pod} ${port}`]);
      });

      it("leads the application's questions to the resolver, not the proxy's, nor those to addresses that are left out", () => {
        expect(network.call('pod', outside, 'udp')).toEqual(['resolver']);
        expect(network.call('pod', outside, 'udp', { uid: 1337 })).toEqual(['outside']);
        expect(network.call('pod', other, 'udp')).toEqual(['outside']);
      });
    });

    // Behind those that need loopback outside.
    it('leads nobody to the proxy who calls loopback from outside: the kernel drops that as ever', () => {
      network.forgeLoopback();
      expect(network.call('outside', '127.0.0.1', 9080, { timeoutMs: 1_500 })).toEqual(['no answer']);
      expect(network.call('outside', addresses.IPv4.pod, 9080)[0]).toMatch(/^inbound /);
    });

    it('shows what is installed, in words and as data', () => {
      const words = network.intercept(['show']);
      expect(words).toMatchObject({ code: 0 });
      expect(words.stdout).toContain(`Interception is installed, by ${backend}; all rules are there`);
      expect(words.stdout).toContain('but not ports 5432 and to 10.99.1.1/32, fd99:1::1/128');
      const [shown] = JSON.parse(network.intercept(['show', '-o', 'json']).stdout) as [
        { readonly backend: string; readonly whole: boolean; readonly settings: Record<string, string> },
      ];
      expect(shown).toMatchObject({
        backend,
        whole: true,
        settings: { mode, 'exclude-inbound-ports': '9443', ipv6: 'on' },
      });
    });

    it('verifies by the sidecar that listens', () => {
      const { code, stderr } = network.intercept(['show', '--verify']);
      expect(stderr).not.toMatch(/failed|skipped.*(?:outbound|inbound)/);
      expect(stderr.match(/verify: ok/g)?.length).toBeGreaterThanOrEqual(8);
      expect(code).toBe(0);
    });

    it('changes nothing when it is installed already, and replaces another configuration', () => {
      const installed = network.snapshot();
      const again = network.intercept(install);
      expect(again.stderr).toContain('nothing was changed');
      expect(network.snapshot()).toBe(installed);
      expect(network.intercept([...install, '--dry-run']).stdout).toBe('# all is as wanted: nothing would be done\n');

      const { outside, pod } = addresses.IPv4;
      const other = network.intercept([
        'install',
        '--backend',
        backend,
        '--mode',
        mode,
        '--exclude-outbound-ports',
        '8080',
      ]);
      expect(other).toMatchObject({ code: 0 });
      expect(network.call('pod', outside, 8080)).toEqual([`outside saw ${pod} on ${outside} 8080`]);
      expect(network.call('pod', outside, 5432)[0]).toBe(`outbound ${outside} 5432`);
      expect(network.call('pod', outside, 'udp')).toEqual(['outside']);
      expect(network.intercept(install)).toMatchObject({ code: 0 });
      expect(network.snapshot()).toBe(installed);
    });

    it('leaves nothing behind when it is removed', () => {
      expect(network.intercept(['remove', '--dry-run']).stdout).toContain('remove the rules');
      expect(network.intercept(['remove'])).toMatchObject({ code: 0 });
      expect(network.snapshot()).toBe(before);
      expect(network.intercept(['remove']).stderr).toContain('nothing was changed');
      expect(network.call('pod', addresses.IPv4.outside, 8080)[0]).toMatch(/^outside saw/);
      expect(network.intercept(['show']).stdout).toMatch(/^Nothing is intercepted/);
    });
  },
);

describe('what goes wrong', () => {
  const stage = new Stage();
  let network: InterceptNetwork;
  let before: string;

  beforeEach(() => {
    network = new InterceptNetwork();
    before = network.snapshot();
  });
  afterEach(() => network.remove());
  afterAll(() => stage.stop());

  it.each([
    ['nftables', ['nft', 'delete', 'rule', 'inet', 'outrigger', 'outbound', 'handle'], /, outbound has \d rules/],
    ['iptables', ['iptables', '-t', 'nat', '-F', 'OUTRIGGER_PROXY'], /IPv4: in nat, OUTRIGGER_PROXY has 0 rules/],
    [
      'iptables',
      ['ip6tables', '-t', 'nat', '-D', 'OUTPUT', '-p', 'tcp', '-j', 'OUTRIGGER_OUTBOUND'],
      /IPv6: in nat, the rule is missing: OUTPUT/,
    ],
    ['iptables', ['iptables', '-t', 'nat', '-F', 'OUTRIGGER_ABOUT'], /all rules|do not say|wrong/],
    [
      'iptables',
      ['iptables', '-t', 'nat', '-R', 'OUTRIGGER_OUTBOUND', '1', '-j', 'ACCEPT'],
      /IPv4: in nat, the rules of OUTRIGGER_OUTBOUND are not those that were installed/,
    ],
    [
      'nftables',
      ['nft', 'replace', 'rule', 'inet', 'outrigger', 'outbound', 'handle'],
      /the rules of outbound are not those that were installed/,
    ],
  ] as const)('finds and mends rules that are not whole (%s, %j)', (backend, words, fault) => {
    const install = ['install', '--backend', backend, '--mode', 'tproxy'];
    expect(network.intercept(install)).toMatchObject({ code: 0 });
    const whole = network.snapshot();
    const command = [...words] as string[];
    if (command.at(-1) === 'handle') {
      const listed = network.run(network.pod, 'nft', '-a', 'list', 'chain', 'inet', 'outrigger', 'outbound');
      command.push(/what is intercepted" # handle (\d+)/.exec(listed)![1]!);
      if (command.includes('replace')) command.push('meta', 'l4proto', 'tcp', 'accept');
    }
    network.run(network.pod, ...command);
    const shown = network.intercept(['show']);
    expect(shown.stdout).toMatch(fault);
    expect(network.intercept(install)).toMatchObject({ code: 0 });
    expect(network.snapshot()).toBe(whole);
    // What is not whole goes too. Which of the kernel's tables iptables has made, only the rules know.
    if (backend === 'iptables') network.run(network.pod, ...command);
    expect(network.intercept(['remove'])).toMatchObject({ code: 0 });
    if (!command.includes('OUTRIGGER_ABOUT')) expect(network.snapshot()).toBe(before);
    expect(network.snapshot()).not.toMatch(/OUTRIGGER_|inet outrigger/);
  });

  it('finds a rule that others put in front of those that lead to ours by iptables, and goes in front of it', () => {
    const install = ['install', '--backend', 'iptables'];
    expect(network.intercept(install)).toMatchObject({ code: 0 });
    network.run(network.pod, 'iptables', '-t', 'nat', '-I', 'OUTPUT', '1', '-p', 'tcp', '-j', 'ACCEPT');
    const shown = network.intercept(['show']);
    expect(shown).toMatchObject({ code: 1 });
    expect(shown.stdout).toContain('IPv4: in nat, a rule of others stands in front of ours in OUTPUT');
    expect(network.intercept([...install, '--verify'])).toMatchObject({ code: 0 });
    expect(network.intercept(['show'])).toMatchObject({ code: 0 });
    const output = network.run(network.pod, 'iptables', '-t', 'nat', '-S', 'OUTPUT');
    expect(output).toMatch(/-j OUTRIGGER_OUTBOUND\n-A OUTPUT -p tcp -j ACCEPT\n$/);
  });

  it.each(backends)('verify names the rule that fails (%s)', (backend) => {
    expect(network.intercept(['install', '--backend', backend, '--verify'])).toMatchObject({ code: 0 });
    if (backend === 'nftables') network.run(network.pod, 'nft', 'flush', 'chain', 'inet', 'outrigger', 'inbound');
    else network.run(network.pod, 'iptables', '-t', 'nat', '-F', 'OUTRIGGER_INBOUND');
    const { code, stderr } = network.intercept(['show', '--verify']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/failed {2}IPv4: inbound, to port 15006: .* the rules of the chain INBOUND/);
    expect(stderr).toMatch(/ok {6}IPv4: outbound/);
    expect(network.snapshot()).not.toContain('outrigger-v');
  });

  it.each(backends)(
    'verify needs no right: a CNI plugin’s rules are found to hold, and to be missing, by who has no capability (%s)',
    (backend) => {
      expect(network.intercept(['install', '--backend', backend, '--dns-port', '15053'])).toMatchObject({ code: 0 });
      const application = network.interceptAs(65_532, ['verify', '--dns-port', '15053']);
      expect(application, application.stderr).toMatchObject({ code: 0 });
      for (const family of ['IPv4', 'IPv6']) {
        expect(application.stderr).toContain(`ok      ${family}: outbound, to port 15001: a connection to `);
        expect(application.stderr).toContain(`ok      ${family}: questions to port 53, to port 15053`);
      }
      const sidecar = network.interceptAs(1337, ['verify']);
      expect(sidecar, sidecar.stderr).toMatchObject({ code: 0 });
      expect(sidecar.stderr).toContain("ok      IPv4: the sidecar's own connections pass");
      expect(sidecar.stderr).toContain('ok      IPv4: the application calls itself by the service, to port 15006');
      expect(network.intercept(['remove'])).toMatchObject({ code: 0 });
      const bare = network.interceptAs(65_532, ['verify']);
      expect(bare.code).toBe(1);
      expect(bare.stderr).toContain('failed  IPv4: outbound, to port 15001');
      expect(bare.stderr).toContain('look whether the CNI plugin has run for it');
      expect(network.interceptAs(65_532, ['verify', '--include-outbound-ports', 'none']).code).toBe(0);
    },
  );

  it('takes the place of what another backend has installed', () => {
    expect(network.intercept(['install', '--backend', 'iptables', '--mode', 'tproxy'])).toMatchObject({ code: 0 });
    expect(network.intercept(['install', '--backend', 'nftables'])).toMatchObject({ code: 0 });
    expect(JSON.parse(network.intercept(['show', '-o', 'json']).stdout)).toMatchObject([
      { backend: 'nftables', whole: true },
    ]);
    expect(network.snapshot()).not.toContain('OUTRIGGER_');
    expect(network.intercept(['remove'])).toMatchObject({ code: 0 });
    expect(network.snapshot()).toBe(before);
  });

  it.each([
    ['nothing', []],
    ['another configuration', ['install', '--backend', 'iptables', '--dns-port', '15053']],
  ] as const)('goes back to what was there, %s, when a step fails', (_, first) => {
    if (first.length > 0) expect(network.intercept(first)).toMatchObject({ code: 0 });
    const was = network.snapshot();
    const folder = stage.folder;
    stage.file(
      'ip6tables-restore',
      '#!/bin/sh\necho "ip6tables-restore v1.8.9 (nf_tables): Extension TPROXY revision 0 not supported, missing kernel module?" >&2\nexit 1\n',
    );
    network.run(null, 'chmod', '755', join(folder, 'ip6tables-restore'));
    const failed = network.intercept(['install', '--backend', 'iptables', '--mode', 'tproxy'], folder);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toMatch(/^outrigger: .*by iptables, IPv6: .*modprobe xt_TPROXY on the host.* It was undone/m);
    // Chains are listed as they were made.
    const sorted = (text: string): readonly string[] => text.split('\n').toSorted();
    expect(sorted(network.snapshot())).toEqual(sorted(was));
  });

  it('refuses where another mesh intercepts', () => {
    network.run(network.pod, 'iptables', '-t', 'nat', '-N', 'ISTIO_OUTPUT');
    const was = network.snapshot();
    const foreign = network.intercept(['install']);
    expect(foreign.code).toBe(1);
    expect(foreign.stderr).toMatch(/another mesh are here: Istio \(chain ISTIO_OUTPUT of nat, IPv4\)/);
    expect(network.snapshot()).toBe(was);
  });

  it("refuses who may not, the host's own network, and the user of the application", () => {
    const command = [outriggerProgram, 'intercept', 'install', '--dry-run'];
    const outcome = (words: readonly string[]): string =>
      spawnSync(words[0]!, words.slice(1), { encoding: 'utf8' }).stderr;
    const withoutRight = ['setpriv', '--bounding-set', '-net_admin', '--inh-caps', '-net_admin', ...command];
    expect(outcome(network.inside(network.pod, withoutRight))).toMatch(/no permission: .*NET_ADMIN and NET_RAW/);
    if (existsSync('/proc/sys/net/core/netdev_max_backlog'))
      expect(outcome(command)).toMatch(/this is the host's own network: .*--allow-host-network/);
    const clash = network.intercept(['install', '--app-uid', '1337']);
    expect(clash).toMatchObject({ code: 2 });
    expect(clash.stderr).toMatch(/the application runs as user 1337, and so does the sidecar/);
    expect(network.snapshot()).toBe(before);
  });

  it.each(backends)('prints by --dry-run just what it would do (%s)', (backend) => {
    const install = ['install', '--backend', backend, '--mode', 'tproxy', '--dns-port', '15053'];
    const script = stage.file('dry-run.sh', network.intercept([...install, '--dry-run']).stdout);
    expect(network.snapshot()).toBe(before);
    network.run(network.pod, 'sh', script);
    expect(network.intercept(install).stderr).toContain('nothing was changed');
    const byHand = network.snapshot();
    expect(network.intercept(['remove'])).toMatchObject({ code: 0 });
    expect(network.intercept(install)).toMatchObject({ code: 0 });
    // The script cannot know how its rules will be listed: it leaves them without seals, which nft lists without their words where iptables made them.
    const withoutSeals = (text: string): string =>
      text.replace(/^.*outrigger chain \S+ [0-9a-f]{16}.*\n|^\t\t counter return\n/gm, '');
    expect(withoutSeals(network.snapshot())).toBe(withoutSeals(byHand));
  });

  it('acts in a namespace that is named, from outside of it', () => {
    const words = [outriggerProgram, 'intercept', 'install', '--netns', network.pod];
    const env = { ...process.env, PATH: network.path };
    expect(spawnSync(words[0]!, words.slice(1), { env }).status).toBe(0);
    expect(network.intercept(['show']).stdout).toMatch(/^Interception is installed/);
    expect(spawnSync(words[0]!, ['intercept', 'remove', '--netns', `/run/netns/${network.pod}`], { env }).status).toBe(
      0,
    );
    expect(network.snapshot()).toBe(before);
  });

  it('writes rules that the kernel takes, whatever the settings', () => {
    for (const config of fc.sample(arbitraryConfig, { numRuns: 25, seed: 6 })) {
      const marker = { config, made: ['ip nat'] };
      const chains = buildRuleSet(config);
      const check = (words: readonly string[], input: string): void => {
        const command = network.inside(network.pod, words);
        const env = { ...process.env, PATH: network.path };
        const { status, stderr } = spawnSync(command[0]!, command.slice(1), { encoding: 'utf8', env, input });
        expect(status, `${stderr}\n${input}`).toBe(0);
      };
      check(['nft', '-c', '-f', '-'], nftablesText(chains, marker));
      for (const family of ['IPv4', 'IPv6'] as const) {
        const text = restoreText(noTables, iptablesTables(chains, family, markerComments(marker)));
        check([family === 'IPv4' ? 'iptables-restore' : 'ip6tables-restore', '--noflush', '--test'], text);
      }
    }
    expect(network.snapshot()).toContain('$ ip addr');
  });

  test('removes a configuration of which only routes are left', () => {
    network.run(
      network.pod,
      'ip',
      'rule',
      'add',
      'pref',
      '15006',
      'fwmark',
      '0x53a',
      'lookup',
      '15006',
      'protocol',
      '156',
    );
    expect(network.intercept(['show']).stdout).toContain('left behind: the routing rule pref 15006');
    expect(network.intercept(['remove'])).toMatchObject({ code: 0 });
    expect(network.snapshot()).toBe(before);
  });
});
