/** What a user does wrong ends with one clear line per fault, the right exit code, and never a stack trace. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { eventually, StartedProcess } from './started-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-refusals-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function outcome(...args: string[]): Promise<{ readonly code: number; readonly output: string }> {
  return outcomeWith({}, ...args);
}

async function outcomeWith(
  environment: Readonly<Record<string, string>>,
  ...args: string[]
): Promise<{ readonly code: number; readonly output: string }> {
  const started = new StartedProcess(args, environment);
  const code = await started.exited;
  expect(started.output).not.toMatch(/\n {4}at /);
  return { code, output: started.output };
}

function bootstrap(port: number): string {
  return `
static_resources:
  listeners:
    - name: in
      address: { socket_address: { address: 127.0.0.1, port_value: ${port} } }
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: in
                route_config: { virtual_hosts: [{ name: all, domains: ["*"], routes: [{ match: { prefix: / }, direct_response: { status: 200 } }] }] }
                http_filters: [{ name: envoy.filters.http.router, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } }]
`;
}

describe.concurrent('wrong usage and bad input', () => {
  test('an unknown flag and an unknown command end with 2', async () => {
    expect(await outcome('sidecar', '--nonsense')).toMatchObject({ code: 2 });
    expect(await outcome('nonsense')).toMatchObject({ code: 2 });
  });

  const run = ['run', '--service', 'shop/a', '--port', '1'];
  test.each([
    [['run'], "required option '--service <NS/NAME>' not specified"],
    [['run', '--service', 'shop/a'], "required option '--port <N>' not specified"],
    [run, "missing required argument 'command'"],
    [['run', '--service', 'a', '--port', '1', '--', 'true'], '--service: "a" is not NAMESPACE/NAME'],
    [['run', '--service', 'shop/a', '--port', 'x', '--', 'true'], '--port: "x" is not a whole number from 1 to 65535'],
    [[...run, '--inbound-listen', '127.0.0.1:1', '--', 'true'], '--port and --inbound-listen both have the port 1; '],
    [[...run, '--labels', 'z', '--', 'true'], '--labels: "z" is not a label'],
    [[...run, '--listen-metrics', 'z', '--', 'true'], '--listen-metrics: "z" is not HOST:PORT'],
    [[...run, '--drain-time', '-1', '--', 'true'], '--drain-time: "-1" is not a whole number'],
    [[...run, '--log-level', 'loud', '--', 'true'], '--log-level: "loud" is not one of trace, debug'],
    [[...run, '--sidecar-admin', 'z', '--', 'true'], '--sidecar-admin: "z" is not HOST:PORT'],
    [[...run, '--join-token-file', '/x', '--trust-domain', 'A', '--', 'true'], '--trust-domain: the trust domain has'],
    [['identity', 'verify', '127.0.0.1:1', '--trust-domain', 'A'], '--trust-domain: the trust domain has'],
    [['control-plane', '--listen', 'x'], '--listen: "x" is not HOST:PORT'],
    [['control-plane', '--store', 'etcd'], '--store etcd takes --etcd HOST:PORT'],
    [
      ['control-plane', '--inject-set', 'egres=allow'],
      '--inject-set: "egres" is not known; did you mean outrigger.dev/egress?',
    ],
    [
      ['control-plane', '--inject-lock', 'imag'],
      '--inject-lock: "imag" is not known; did you mean outrigger.dev/image?',
    ],
    [['control-plane', '--kubernetes-namespace', 'mesh'], '--kubernetes-namespace goes with --kubeconfig'],
    [
      ['control-plane', '--source', 'kubernetes', '--kubeconfig', 'x', '--kubernetes-namespace', 'A b'],
      '--kubernetes-namespace: "A b" is not a name of a namespace',
    ],
    [['control-plane', '--publish-root'], '--publish-root goes with --source kubernetes'],
    [
      ['control-plane', '--source', 'kubernetes', '--publish-root', '--listen-tls', 'off'],
      '--publish-root needs --listen-tls',
    ],
    [
      ['control-plane', '--source', 'kubernetes', '--webhook-configuration', 'A b'],
      '--webhook-configuration: "A b" is not a name of an object',
    ],
    [['control-plane', '--webhook-key', 'x'], '--webhook-certificate and --webhook-key go together'],
    [['inject'], 'inject needs -f FILE: a manifest, a folder of them, or - for stdin'],
    [['inject', '-f', '-', '--set', 'dns'], '--set: "dns" is not KNOB=VALUE'],
    [['inject', '-f', '-', '--set', 'dns=on'], '--set: dns: "on" is not one of enabled, disabled'],
    [['webhook', '--url', 'http://x'], '--url: "http://x" is not https://HOST:PORT'],
    [
      ['sidecar', '--service', 'shop/a', '--app-port', '1', '--interception', 'tproxi'],
      '--interception: "tproxi" is not one of none, redirect, tproxy',
    ],
    [
      ['sidecar', '--service', 'shop/a', '--app-port', '1', '--egress', 'allow'],
      '--egress needs --interception redirect or tproxy',
    ],
    [['sidecar', '--service', 'shop/a', '--app-port', '1', '--app-probes', '{'], '--app-probes: is not JSON'],
    [['control-plane', '--listen-tls', 'x'], '--listen-tls: "x" is not HOST:PORT'],
    [['control-plane', '--trust-domain', 'A'], '--trust-domain: "A": the trust domain has characters other than'],
    [['control-plane', '--certificate-lifetime', '1s'], '--certificate-lifetime: 1s is not from 2s to 30d'],
    [['control-plane', '--ca-key', 'x'], '--ca-certificate and --ca-key go together'],
    [
      ['control-plane', '--ca-own', '--ca-certificate', 'x', '--ca-key', 'x'],
      '--ca-own is for a root made here, and --ca-certificate for your own',
    ],
    [
      ['identity', 'rotate', '--force', '--revert'],
      '--force is the next step of a rotation, and --revert the way back',
    ],
    [['control-plane', '--federate', 'x'], '--federate: "x" is not TRUST-DOMAIN=FILE'],
    [['control-plane', '--kubernetes-api', 'http://x'], '--kubernetes-api: "http://x" is not https://HOST'],
    [['identity', 'token', 'create', '--service', 'x'], '--service: "x" is not NAMESPACE/NAME'],
    [['identity', 'token', 'create', '--service', 'a/b', '--lifetime', '1s'], '--lifetime: 1s is not from 1m to 366d'],
    [
      ['get', 'services', '-o', 'xml'],
      "option '-o, --output <FORMAT>' argument 'xml' is invalid. Allowed choices are table, json, yaml",
    ],
    [['get', 'nonsense'], '"nonsense" is no kind; name one of services, endpoints, routes, policies, proxies'],
    [[...run, '--node-id', '', '--', 'true'], '--node-id is empty; give it a value, or leave the flag out'],
    [['get', 'services', '--admin', 'x'], '--control-plane-admin: "x" is not HOST:PORT'],
    [['status', '--control-plane', 'x'], '--control-plane: "x" is not HOST:PORT'],
    [['validate'], "missing required argument 'path'"],
    [['demo', '--seconds', '0'], '--seconds: "0" is not a whole number from 1 to 86400'],
    [['sidecar', '--service', 'shop/a', '--app-port', '1', '--drain-time', 'x'], '--drain-time: "x" is not a whole'],
    [['sidecar', '--service', 'shop/a', '--app-port', '1', '--log-level', 'x'], '--log-level: "x" is not one of'],
  ])('%j ends with 2 and one line that says what is wrong', async (words, message) => {
    const { code, output } = await outcome(...words);
    expect(code).toBe(2);
    expect(output.startsWith(`outrigger: ${message}`)).toBe(true);
    expect(output.match(/^outrigger: /gm)).toHaveLength(1);
  });

  test('of a switch and its opposite the one counts whose variable is set', async () => {
    const words = ['control-plane', '--listen', 'x'];
    for (const environment of [{ OUTRIGGER_PUBLISH_ROOT: 'off' }, { OUTRIGGER_NO_PUBLISH_ROOT: 'on' }])
      expect((await outcomeWith(environment, ...words)).output).toContain('--listen: "x" is not HOST:PORT');
    expect((await outcomeWith({ OUTRIGGER_PUBLISH_ROOT: 'on' }, ...words)).output).toContain(
      'OUTRIGGER_PUBLISH_ROOT goes with',
    );
    expect((await outcomeWith({ OUTRIGGER_NO_PUBLISH_ROOT: 'off' }, ...words)).output).toContain(
      '--publish-root goes with',
    );
  });

  test.each<readonly [Readonly<Record<string, string>>, readonly string[], string]>([
    [{ OUTRIGGER_MODE: 'bogus' }, ['intercept', 'install', '--dry-run'], 'OUTRIGGER_MODE: "bogus" is not known'],
    [{ OUTRIGGER_ADMIN: 'x' }, ['sidecar', '--service', 'shop/a', '--app-port', '1'], 'OUTRIGGER_ADMIN: "x" is not'],
    [{ OUTRIGGER_ADMIN: 'x' }, ['sidecar', '--service', 'shop/a', '--app-port', '1', '--admin', 'y'], '--admin: "y"'],
    [{ OUTRIGGER_PORT: 'x' }, ['run', '--service', 'shop/a', '--', 'true'], 'OUTRIGGER_PORT: "x" is not'],
  ])(
    'of a value that the environment has, %j, the variable is named, and not a flag that nobody typed',
    async (environment, words, message) => {
      const { code, output } = await outcomeWith(environment, ...words);
      expect(code).toBe(2);
      expect(output).toContain(`outrigger: ${message}`);
    },
  );

  test('a switch in the environment that is neither on nor off ends with 2, and counts only when it is on', async () => {
    for (const [environment, words] of [
      [{ OUTRIGGER_NO_IDENTITY: 'maybe' }, [...run, '--', 'true']],
      [{ OUTRIGGER_FORCE: 'maybe' }, ['identity', 'rotate', '--admin', '127.0.0.1:1']],
      [{ OUTRIGGER_NO_REGISTER: 'maybe' }, ['sidecar', '--service', 'shop/a', '--app-port', '1']],
    ] as const) {
      const { code, output } = await outcomeWith(environment, ...words);
      expect(code).toBe(2);
      expect(output).toBe(
        `outrigger: ${Object.keys(environment)[0]}: "maybe" is neither 1, true, yes or on, nor 0, false, no or off\n`,
      );
    }
  });

  test("the control plane's admin port has a variable of its own: OUTRIGGER_ADMIN is the sidecar's", async () => {
    const environment = { OUTRIGGER_ADMIN: '127.0.0.1:2', OUTRIGGER_CONTROL_PLANE_ADMIN: '127.0.0.1:1' };
    expect((await outcomeWith(environment, 'get', 'services')).output).toContain('no control plane at 127.0.0.1:1 ');
    expect((await outcomeWith(environment, 'get', 'services', '--admin', '127.0.0.1:3')).output).toContain(
      'no control plane at 127.0.0.1:3 ',
    );
    expect((await outcomeWith(environment, 'identity', 'token', 'list')).output).toContain(
      'no control plane at 127.0.0.1:1 ',
    );
    expect((await outcomeWith(environment, 'identity', 'show')).output).toContain(
      "no sidecar's admin port at 127.0.0.1:2 ",
    );
  });

  test('what a machine says for all its sidecars is one warning beside --bootstrap', async () => {
    const file = join(folder, 'warned.yaml');
    writeFileSync(file, bootstrap(0));
    const sidecar = new StartedProcess(['sidecar', '--bootstrap', file], {
      OUTRIGGER_ZONE: 'a',
      OUTRIGGER_SERVICE: 'shop/a',
    });
    await eventually('it is ready', () => Promise.resolve(sidecar.output.includes('ready after')));
    await sidecar.stop();
    expect(sidecar.output.match(/have no effect/g)).toHaveLength(1);
    expect(sidecar.output).toContain('OUTRIGGER_SERVICE, OUTRIGGER_ZONE have no effect with --bootstrap');
  });

  test('a command that is not built says so and ends with 2', async () => {
    const { code, output } = await outcome('bench', '-f', 'x.yaml');
    expect(code).toBe(2);
    expect(output).toContain('not built yet');
    const help = await outcome('bench', '--help');
    expect(help).toMatchObject({ code: 0, output: expect.stringContaining('Not built yet: the benchmark') });
  });

  test('of a sidecar that could not start `run` says no more than the sidecar itself', async () => {
    const { code, output } = await outcome(...run, '--join-token-file', join(folder, 'none'), '--', 'true');
    expect(code).toBe(1);
    expect(output).toBe(`outrigger: there is no ${join(folder, 'none')}\n`);
  });

  test('a signal before the sidecar is ready ends `run` as it would end the command', async () => {
    const started = new StartedProcess([...run, '--control-plane', '127.0.0.1:1', '--', 'true']);
    await eventually('it waits', () => Promise.resolve(started.output.includes('trying again')));
    expect(await started.stop('SIGTERM')).toBe(143);
  });

  test('--help of a command that is not built says so, and `help sidecar` has the flags', async () => {
    expect(await outcome('bench', '--help')).toMatchObject({ code: 0, output: expect.stringContaining('Not built') });
    const { code, output } = await outcome('help', 'sidecar');
    expect([code, output]).toEqual([0, (await outcome('sidecar', '--help')).output]);
  });

  test.each([
    ...['control-plane', 'run', 'validate', 'get', 'status', 'demo', 'identity show', 'identity verify'],
    ...['identity token create', 'identity token list', 'identity token revoke'],
    ...['identity authority', 'identity rotate'],
  ])('%s --help has an example, and an environment variable for each flag', async (command) => {
    const { code, output } = await outcome(...command.split(' '), '--help');
    expect(code).toBe(0);
    expect(output).toContain(`\nExample:\n  outrigger ${command}`);
    const flags = output.match(/^ {2}(-\w, )?--/gm)!.length;
    expect(output.replaceAll(/\s+/g, ' ').match(/env: OUTRIGGER_/g)?.length).toBe(flags - 1);
    for (const line of output.split('\nExample:')[0]!.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });

  test('--help says what holds for every command', async () => {
    const { output } = await outcome('--help');
    for (const word of ['OUTRIGGER_<FLAG>', 'a flag wins', 'Exit codes: 0']) expect(output).toContain(word);
  });

  test('a missing bootstrap is named', async () => {
    const { code, output } = await outcome('sidecar', '--bootstrap', join(folder, 'none.yaml'));
    expect(code).toBe(1);
    expect(output).toContain('there is no such file');
  });

  test('what is no file, or empty, is named in one line (bootstrap, configuration, data directory)', async () => {
    const empty = join(folder, 'empty.yaml');
    writeFileSync(empty, '');
    const pipe = join(folder, 'pipe.yaml');
    execFileSync('mkfifo', [pipe]);
    for (const [words, message] of [
      [['sidecar', '--bootstrap', folder], `${folder}: is a folder; a file is expected`],
      [['sidecar', '--bootstrap', pipe], `${pipe}: is not a regular file; a file is expected`],
      [['sidecar', '--bootstrap', empty], `${empty}: is empty; a bootstrap with node, admin and static_resources is`],
      [
        ['control-plane', '--data-dir', empty],
        `cannot use the data directory ${empty}: it is a file, or stands below one; a folder is expected`,
      ],
    ] as const) {
      const { code, output } = await outcome(...words);
      expect(code).toBe(1);
      expect(output).toContain(`outrigger: ${message}`);
      expect(output.match(/^outrigger: /gm)).toHaveLength(1);
    }
    const validated = await outcome('validate', pipe);
    expect(validated).toMatchObject({ code: 1 });
    expect(validated.output).toContain(`${pipe}: is not a regular file; a file is expected\n`);
    rmSync(pipe);
  });

  test('every fault of a bootstrap is named with line, column and field path', async () => {
    const file = join(folder, 'broken.yaml');
    writeFileSync(
      file,
      bootstrap(0).replace('stat_prefix: in', 'stat_prefixx: in').replace('status: 200', 'status: twice'),
    );
    const { code, output } = await outcome('sidecar', '--bootstrap', file);
    expect(code).toBe(1);
    expect(output).toMatch(/broken\.yaml:\d+:\d+: static_resources\.listeners\[0\].*stat_prefixx/);
    expect(output).toMatch(/broken\.yaml:\d+:\d+: static_resources\.listeners\[0\].*direct_response\.status/);
  });

  test('an access log that cannot be opened is told at the start', async () => {
    const file = join(folder, 'log.yaml');
    const type = 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog';
    writeFileSync(
      file,
      bootstrap(0).replace(
        'stat_prefix: in',
        `stat_prefix: in\n                access_log: [{ name: f, typed_config: { "@type": ${type}, path: /nonexistent/log } }]`,
      ),
    );
    const { code, output } = await outcome('sidecar', '--bootstrap', file);
    expect(code).toBe(1);
    expect(output).toContain('the access log /nonexistent/log cannot be opened');
  });

  test('a listener whose port is taken is named, with the port', async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const { port } = holder.address() as AddressInfo;
    const file = join(folder, 'taken.yaml');
    writeFileSync(file, bootstrap(port));
    const { code, output } = await outcome('sidecar', '--bootstrap', file);
    const plane = await outcome('control-plane', '--listen', `127.0.0.1:${port}`, '--listen-admin', '127.0.0.1:0');
    holder.close();
    expect(code).toBe(1);
    expect(output).toContain(String(port));
    expect(plane.code).toBe(1);
    expect(plane.output).toContain(`the port is taken by pid ${process.pid} (`);
    expect(plane.output.trim().split('\n')).toHaveLength(1);
  });

  test('a control plane that cannot be reached is one clear line for every command', async () => {
    for (const words of [
      ['get', 'services', '--admin', '127.0.0.1:1'],
      ['status', '--control-plane', '127.0.0.1:1'],
    ]) {
      const { code, output } = await outcome(...words);
      expect(code).toBe(1);
      expect(output).toContain('no control plane at 127.0.0.1:1');
      expect(output).toContain('(connection refused)');
    }
  });

  test('what speaks another protocol is one clear line', async () => {
    const other = createServer((socket) => socket.end('hello\r\n'));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const at = `127.0.0.1:${(other.address() as AddressInfo).port}`;
    for (const [words, why] of [
      [['get', 'services', '--admin', at], 'no control plane at AT (what answers there speaks no HTTP);'],
      [['identity', 'show', '--admin', at], "no sidecar's admin port at AT (what answers there speaks no HTTP);"],
      [['status', '--control-plane', at], 'no control plane at AT (what answers there speaks no gRPC without TLS);'],
    ] as const) {
      const { code, output } = await outcome(...words);
      expect(code).toBe(1);
      expect(output).toContain(why.replace('AT', at));
    }
    other.close();
  });

  test('what is no control plane at the admin address is one clear line (get)', async () => {
    for (const status of [200, 404]) {
      const other = createHttpServer((_, response) => response.writeHead(status).end('<html>'));
      await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
      const { port } = other.address() as AddressInfo;
      const { code, output } = await outcome('get', 'services', '--admin', `127.0.0.1:${port}`);
      other.close();
      expect(code).toBe(1);
      expect(output).toContain(`what answers at 127.0.0.1:${port} is not a control plane`);
      expect(output).not.toMatch(/SyntaxError|<html>/);
      if (status === 404) expect(output).toContain('(404)');
    }
  });

  test.each([
    [['validate', 'none-a', 'none-b']],
    [['validate', 'none-a', '-o', 'json']],
    [['--help']],
    [['sidecar', '--help']],
    [['status', '--control-plane', '127.0.0.1:1']],
    [['nonsense']],
  ])('%j ends quietly when nobody reads it (EPIPE)', async (words) => {
    const started = new StartedProcess(words);
    started.child.stdout!.destroy();
    if (words[0] !== 'validate') started.child.stderr!.destroy();
    expect([0, 1, 2]).toContain(await started.exited);
    expect(started.output).not.toMatch(/EPIPE|\n {4}at /);
  });

  test('validate names every path that is missing, in every format', async () => {
    const paths = [join(folder, 'none-a'), join(folder, 'none-b')];
    const { code, output } = await outcome('validate', ...paths, '-o', 'json');
    expect(code).toBe(1);
    for (const path of paths) expect(output).toContain(`"file": "${path}"`);
  });

  test('every fault of broken configuration is a line of its own, and the control plane ends with 1', async () => {
    const mesh = mkdtempSync(join(folder, 'mesh-'));
    writeFileSync(join(mesh, 'a.yaml'), 'apiVersion: v1\nkind: Service\nmetadata: { name: A }\nspec: { ports: [] }\n');
    writeFileSync(join(mesh, 'b.yaml'), 'kind: [');
    const listen = ['--listen', '127.0.0.1:0', '--listen-admin', '127.0.0.1:0'];
    const dataDir = ['--data-dir', join(folder, 'data')];
    const { code, output } = await outcome('control-plane', '--config', mesh, ...listen, ...dataDir);
    expect(code).toBe(1);
    expect(output.match(/^outrigger: .*$/gm)).toEqual([
      expect.stringMatching(/a\.yaml:3:13: metadata\.name: /),
      expect.stringMatching(/a\.yaml:4:9: spec\.ports: is empty/),
      expect.stringMatching(/b\.yaml:1:8: is not YAML/),
    ]);
  });

  test('a configuration path that is missing, and a listen address beyond loopback, are refused', async () => {
    const missing = await outcome('control-plane', '--config', join(folder, 'none'), '--listen', '127.0.0.1:0');
    expect(missing).toMatchObject({ code: 1 });
    expect(missing.output).toContain('there is no such file or folder');
    const open = await outcome('control-plane', '--listen', '0.0.0.0:0', '--listen-admin', '127.0.0.1:0');
    expect(open).toMatchObject({ code: 1 });
    expect(open.output).toContain('not on loopback');
  });
});
