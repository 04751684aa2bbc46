import { EventEmitter } from 'node:events';
import { create } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { ReportSchema } from '../../proto/generated/outrigger/observe/v1/observe_pb.js';
import { ObserveHub } from './observe-hub.ts';
import { ObserveService } from './observe-service.ts';

class PlainStream extends EventEmitter {
  write(): boolean {
    return true;
  }

  end(): void {}

  getPeer(): string {
    return '10.0.0.7:40000';
  }

  getAuthContext(): object {
    return {};
  }
}

test('an answer that who asked cannot take ends the stream of its sidecar, with a reason and a line in the log', () => {
  let logged = '';
  const hub = new ObserveHub(() => () => {});
  const service = new ObserveService({
    hub,
    identityOf: () => {
      throw new Error('by the plain door nobody has one');
    },
    log: pino({}, { write: (line: string) => (logged += line) }),
    onRefused: () => {},
    after: () => () => {},
  });
  hub.watch({
    onCome: (proxy) =>
      proxy.ask(
        { case: 'listBreakers', value: {} },
        {
          onAnswer: () => {
            throw new RangeError('this is no time');
          },
          onGone: () => {},
        },
      ),
    onGone: () => {},
  });
  const stream = new PlainStream();
  const faults: unknown[] = [];
  stream.on('error', (fault) => faults.push(fault));
  service.implementation.attend(stream as never);
  stream.emit(
    'data',
    create(ReportSchema, { report: { case: 'hello', value: { nodeId: 'a-1', nodeCluster: 'shop/a' } } }),
  );
  expect(hub.proxies.size).toBe(1);
  stream.emit('data', create(ReportSchema, { report: { case: 'answer', value: { queryId: 1n } } }));
  const details = 'an answer of a-1 could not be taken: this is no time';
  expect(faults).toEqual([{ code: status.INTERNAL, details }]);
  expect(logged).toContain(`ended a stream of observation from 10.0.0.7:40000: ${details}`);
  expect(hub.proxies.size).toBe(0);
});
