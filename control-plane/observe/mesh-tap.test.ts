import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { AnswerSchema, type Query } from '../../proto/generated/outrigger/observe/v1/observe_pb.js';
import { AttendingProxy } from './attending-proxy.ts';
import { MeshTap } from './mesh-tap.ts';
import { ObserveHub } from './observe-hub.ts';
import { outbound } from './test/records.ts';

function attending(nodeId: string): { proxy: AttendingProxy; queries: Query[] } {
  const queries: Query[] = [];
  return {
    proxy: new AttendingProxy({ nodeId, service: 'shop/a', identity: '' }, (query) => queries.push(query)),
    queries,
  };
}

const answer = (queryId: bigint, more: object) => create(AnswerSchema, { queryId, ...more });
const wish = { filter: {}, limit: 3, headers: false, bodyBytes: 0, notes: [] };

test('a gathering takes what came in time, and names who was silent', async () => {
  let deadline = (): void => {};
  const hub = new ObserveHub((_, callback) => {
    deadline = callback;
    return () => {};
  });
  const [quick, slow, gone] = [attending('quick'), attending('slow'), attending('gone')];
  for (const { proxy } of [quick, slow, gone]) expect(hub.add(proxy)).toBe('');
  const gathered = hub.gather({ case: 'findRequest', value: { requestId: 'r' } }, 2_000);
  quick.proxy.onAnswer(answer(1n, { requests: [outbound('a', 'b', 0, 1)], done: true }));
  hub.remove(gone.proxy);
  deadline();
  const { answers, silent } = await gathered;
  expect([answers.length, silent]).toEqual([1, ['gone', 'slow']]);
  expect(slow.queries.at(-1)!.query).toMatchObject({ case: 'stop', value: 1n });
});

test('a tap asks those that come later too, tells what a slow reader missed, and stops all when it is over', () => {
  const hub = new ObserveHub(() => () => {});
  const [first, later] = [attending('first'), attending('later')];
  hub.add(first.proxy);
  const lines: string[] = [];
  let room = true;
  let ended = false;
  let over = 0;
  const tap = new MeshTap(
    hub,
    wish,
    { write: (line) => (lines.push(line), room), end: () => void (ended = true) },
    () => over++,
  );
  hub.add(later.proxy);
  expect(later.queries[0]!.query.case).toBe('startTap');
  room = false;
  first.proxy.onAnswer(answer(1n, { requests: [outbound('a', 'b', 0, 1), outbound('a', 'b', 1, 1)], dropped: 2n }));
  // The number of the dropped filled it: both records did not fit.
  expect(lines).toEqual(['{"dropped":2}\n']);
  room = true;
  tap.onDrain();
  expect(lines.at(-1)).toBe('{"dropped":2}\n');
  later.proxy.onAnswer(answer(1n, { requests: [0, 1, 2, 3].map((at) => outbound('a', 'b', at, 1)) }));
  expect([lines.length, ended, over]).toEqual([5, true, 1]);
  expect(first.queries.at(-1)!.query.case).toBe('stop');
  tap.stop();
  expect(over).toBe(1);
});

class Reader {
  readonly lines: string[] = [];
  room = true;
  ended = false;
  over = 0;
  readonly tap: MeshTap;

  constructor(hub: ObserveHub) {
    this.tap = new MeshTap(hub, wish, this, () => this.over++);
  }

  write(line: string): boolean {
    this.lines.push(line.trim());
    return this.room;
  }

  end(): void {
    this.ended = true;
  }
}

test('a tap is over when every sidecar is done, and says first what was not shown', () => {
  const hub = new ObserveHub(() => () => {});
  const [first, second] = [attending('first'), attending('second')];
  for (const { proxy } of [first, second]) hub.add(proxy);
  const reader = new Reader(hub);
  reader.room = false;
  const three = [0, 1, 2].map((at) => outbound('a', 'b', at, 1));
  first.proxy.onAnswer(answer(1n, { requests: three, done: true }));
  expect([reader.lines.length, reader.ended]).toEqual([1, false]);
  second.proxy.onAnswer(answer(1n, { fault: 'too many', done: true }));
  expect(reader.lines.slice(1)).toEqual(['{"fault":"too many"}', '{"dropped":2}']);
  expect([reader.ended, reader.over]).toEqual([true, 1]);
  // Nothing is left to stop.
  expect([first, second].map(({ queries }) => queries.length)).toEqual([1, 1]);
});

test('a tap waits for sidecars that are not there: where there was none, and for one that went away', () => {
  const hub = new ObserveHub(() => () => {});
  const reader = new Reader(hub);
  const [first, second, again] = [attending('first'), attending('second'), attending('second')];
  for (const { proxy } of [first, second]) hub.add(proxy);
  first.proxy.onAnswer(answer(1n, { fault: 'older', done: true }));
  hub.remove(second.proxy);
  expect(reader.ended).toBe(false);
  hub.add(again.proxy);
  again.proxy.onAnswer(answer(1n, { requests: [outbound('a', 'b', 0, 1)] }));
  expect([reader.lines.length, reader.ended]).toEqual([2, false]);
  again.proxy.onAnswer(answer(1n, { done: true }));
  expect(reader.ended).toBe(true);
});

test('a tap is over, with a reason, where so much is asked of the only sidecar that it is asked no more', async () => {
  const hub = new ObserveHub(() => () => {});
  const { proxy } = attending('busy');
  for (let i = 0; i < 64; i++) proxy.ask({ case: 'listBreakers', value: {} }, { onAnswer: () => {}, onGone: () => {} });
  hub.add(proxy);
  const reader = new Reader(hub);
  await Promise.resolve();
  expect(reader.lines).toEqual(['{"fault":"too much is asked of busy at once"}']);
  expect(reader.ended).toBe(true);
});
