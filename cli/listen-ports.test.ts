import { expect, test } from 'vitest';
import { checkListenPorts, checkRunPorts } from './listen-ports.ts';
import { UserError } from './user-error.ts';

test.each([
  ['127.0.0.1:80', '127.0.0.1:80'],
  ['127.0.0.1:80', 'localhost:80'],
  ['127.0.0.1:80', '0.0.0.0:80'],
  ['[::]:80', '127.0.0.1:80'],
])('%s and %s are one port: refused with both flags', (one, two) => {
  const refused = expect(() =>
    checkListenPorts([
      ['--port', one],
      ['--admin', '127.0.0.1:81'],
      ['--inbound-listen', two],
    ]),
  );
  refused.toThrow(new UserError('--port and --inbound-listen both have the port 80; give each its own', 2));
});

test('other addresses of this machine, free ports, and what is off are in nobody’s way', () => {
  checkListenPorts([
    ['--port', '127.0.0.1:80'],
    ['--inbound-listen', '127.0.0.2:80'],
    ['--outbound-listen', '127.0.0.1:0'],
    ['--admin', '127.0.0.1:0'],
    ['--listen-metrics', 'off'],
  ]);
});

test("`run` names its own flags, and its sidecar's upstreams", () => {
  const free = { port: '80', outboundListen: '127.0.0.1:0', inboundListen: '127.0.0.1:0', sidecarAdmin: '127.0.0.1:0' };
  const flags = { ...free, listenMetrics: 'off' };
  checkRunPorts(flags, []);
  expect(() => checkRunPorts({ ...flags, sidecarAdmin: '127.0.0.1:80' }, [])).toThrow(
    '--port and --sidecar-admin both have the port 80',
  );
  const upstream = { namespace: 'shop', name: 'orders', port: 80, localPort: 9080 };
  expect(() => checkRunPorts({ ...flags, inboundListen: '0.0.0.0:9080' }, [upstream])).toThrow(
    '--inbound-listen and --upstream shop/orders:80 both have the port 9080',
  );
});

test.each(['15001', '15006', '15000', '15020', '15053'])(
  '`run --intercept --port %s` is told by the flag that was typed: the sidecar’s own addresses are no flags there',
  (port) => {
    const own = { outboundListen: '', inboundListen: '', sidecarAdmin: '', listenMetrics: '' };
    expect(() => checkRunPorts({ ...own, port, intercept: true }, [])).toThrow(
      new UserError(
        `--port ${port}: with --intercept the sidecar listens there, in the command's own network; let the command listen on another port`,
        2,
      ),
    );
    checkRunPorts({ ...own, port: '8080', intercept: true }, []);
  },
);
