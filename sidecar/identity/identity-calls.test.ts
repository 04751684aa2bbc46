/** The two calls of the identity service, against a gRPC server that is not ours, on a clock that is moved by hand. */
import { generateKeyPairSync } from 'node:crypto';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { afterEach, describe, expect, it } from 'vitest';
import { GrpcPeer, type PeerCall } from '../grpc/test/grpc-peer.ts';
import { Log } from '../runtime/log.ts';
import { TimerWheel } from '../runtime/timer-wheel.ts';
import { WatchBundleRequestSchema, WatchBundleResponseSchema } from '../xds/api/outrigger/identity/v1/identity_pb.js';
import { BundleWatch } from './bundle-watch.ts';
import { SignCall, type SignOutcome } from './sign-call.ts';

let peer: GrpcPeer | null = null;

afterEach(async () => {
  await peer?.close();
  peer = null;
});

/** A watch on a clock that the test moves, and a server that says what it is told to. */
class Fixture {
  readonly calls: PeerCall[] = [];
  /** `sequence authority` as the watch reported, in order, stream by stream. */
  readonly reports: string[] = [];
  readonly log: string[] = [];
  readonly refusals: string[] = [];
  readonly wheel: TimerWheel;
  authorityId = 'a';
  nowMs = 0;
  taken = 0;
  #wake: () => void = () => {};
  readonly watch: BundleWatch;

  constructor(to: GrpcPeer) {
    const clock = { nowMs: () => this.nowMs, wallMs: () => this.nowMs };
    this.wheel = new TimerWheel(clock, () => () => {});
    this.watch = new BundleWatch({
      clusters: to.clusters,
      clusterName: 'xds',
      wheel: this.wheel,
      random: () => 0.5,
      log: new Log(clock, 'info', false, (line) => this.log.push(line)),
      certificateAuthorityId: () => this.authorityId,
      onRefused: (why) => this.refusals.push(why),
      take: ({ authorityId }) => {
        if (authorityId === 'bad') throw new Error('no root in it');
        return BigInt(++this.taken);
      },
    });
  }

  onCall(call: PeerCall): void {
    this.calls.push(call);
    this.#wake();
  }

  onMessage(message: Buffer): void {
    const { appliedSequence, certificateAuthorityId, leaving } = fromBinary(WatchBundleRequestSchema, message);
    const word = leaving ? ' leaving' : '';
    this.reports.push(`${this.calls.length}: ${appliedSequence} ${certificateAuthorityId}${word}`);
    this.#wake();
  }

  answer(authorityId: string): void {
    this.calls.at(-1)!.send(toBinary(WatchBundleResponseSchema, create(WatchBundleResponseSchema, { authorityId })));
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  pass(ms: number): void {
    this.nowMs += ms;
    this.wheel.advance();
  }
}

async function start(): Promise<Fixture> {
  let fixture: Fixture | null = null;
  peer = await GrpcPeer.start({
    onCall: (call) => fixture!.onCall(call),
    onMessage: (_call, message) => fixture!.onMessage(message),
  });
  fixture = new Fixture(peer);
  fixture.watch.start();
  await fixture.until(() => fixture.reports.length === 1);
  return fixture;
}

describe('the watch of the trust bundles', () => {
  it('says on each stream that it has none yet, then which one it has, and when its certificate is another', async () => {
    const fixture = await start();
    fixture.answer('a');
    await fixture.until(() => fixture.reports.length === 2);
    fixture.authorityId = 'b';
    fixture.watch.certificateChanged();
    await fixture.until(() => fixture.reports.length === 3);
    expect(fixture.reports).toEqual(['1: 0 a', '1: 1 a', '1: 1 b']);
    fixture.watch.close();
  });

  it('confirms nothing that cannot be used, and says why', async () => {
    const fixture = await start();
    fixture.answer('a');
    await fixture.until(() => fixture.reports.length === 2);
    fixture.answer('bad');
    await fixture.until(() => fixture.reports.length === 3);
    expect(fixture.reports.at(-1)).toBe('1: 1 a');
    expect(fixture.log.join()).toContain('cannot be used, those from before go on: no root in it');
    fixture.watch.close();
  });

  it('moves at once when its connection gets a successor, and comes back when the stream ends, later each time without an answer', async () => {
    const fixture = await start();
    fixture.answer('a');
    await fixture.until(() => fixture.reports.length === 2);
    peer!.clusters.renewConnections('xds');
    await fixture.until(() => fixture.reports.length === 3);
    expect(fixture.reports.at(-1)).toBe('2: 0 a');
    for (const waitMs of [375, 750]) {
      const armed = fixture.wheel.armedCount;
      fixture.calls.at(-1)!.end(16, 'not now');
      while (fixture.wheel.armedCount === armed) await new Promise(setImmediate);
      const { length } = fixture.reports;
      fixture.pass(waitMs - 16);
      expect(fixture.wheel.armedCount).toBe(1);
      fixture.pass(32);
      await fixture.until(() => fixture.reports.length === length + 1);
    }
    expect(fixture.log.join()).toContain('cannot watch the trust bundles (not now); trying again');
    expect(fixture.refusals).toEqual(['not now', 'not now']);
    fixture.watch.close();
    expect(fixture.wheel.armedCount).toBe(0);
  });
});

describe('the goodbye of a sidecar that ends', () => {
  const leaving = (fixture: Fixture): { readonly heard: () => boolean; readonly done: Promise<void> } => {
    let heard = false;
    const done = new Promise<void>((resolve) => fixture.watch.leave(resolve)).then(() => void (heard = true));
    return { heard: () => heard, done };
  };

  it('is heard before the sidecar goes on to end', async () => {
    const fixture = await start();
    fixture.answer('a');
    await fixture.until(() => fixture.reports.length === 2);
    const { heard, done } = leaving(fixture);
    await fixture.until(() => fixture.reports.length === 3);
    expect(fixture.reports.at(-1)).toBe('1: 1 a leaving');
    expect(heard()).toBe(false);
    fixture.calls.at(-1)!.end(0);
    await done;
    expect(fixture.wheel.armedCount).toBe(0);
  });

  it('is waited for 500 ms, and not at all where nobody answers', async () => {
    const fixture = await start();
    await leaving(fixture).done;
    await peer!.close();
    const answered = await start();
    answered.answer('a');
    await answered.until(() => answered.reports.length === 2);
    const { heard, done } = leaving(answered);
    answered.pass(480);
    expect(heard()).toBe(false);
    answered.pass(40);
    await done;
    expect(answered.wheel.armedCount).toBe(0);
  });
});

describe('Sign', () => {
  it.each<readonly [string, (call: PeerCall) => void, Partial<SignOutcome & { why: string }>]>([
    [
      'that is refused',
      (call) => call.end(16, 'the token is not known'),
      { refused: true, proofDenied: true, why: 'the token is not known' },
    ],
    [
      'that is wrong by itself',
      (call) => call.end(3, 'no such name'),
      { refused: true, proofDenied: false, why: 'no such name' },
    ],
    [
      'that cannot be answered now',
      (call) => call.end(14, 'try again'),
      { refused: false, proofDenied: false, why: 'try again' },
    ],
    ['that is answered with nothing', (call) => call.end(0), { refused: false, why: 'the answer is empty' }],
    [
      'that is answered with what is no message',
      (call) => {
        call.send(Buffer.from([255, 255]));
        call.end(0);
      },
      { refused: false },
    ],
  ])('%s ends once, with the reason', async (_, answer, wanted) => {
    peer = await GrpcPeer.start({ onHalfClose: answer });
    const outcomes: SignOutcome[] = [];
    await new Promise<void>((resolve) => signCall(peer!, outcomes, () => 0, resolve).call.start());
    expect(outcomes).toEqual([expect.objectContaining({ ok: false, ...wanted })]);
    if (wanted.why === undefined)
      expect(outcomes[0]).toMatchObject({ why: expect.stringMatching(/^the answer cannot be used: /) });
  });

  it('that is not answered ends after 10 s', async () => {
    let nowMs = 0;
    const asked = Promise.withResolvers<void>();
    peer = await GrpcPeer.start({ onHalfClose: () => asked.resolve() });
    const outcomes: SignOutcome[] = [];
    const { call, wheel } = signCall(
      peer,
      outcomes,
      () => nowMs,
      () => {},
    );
    call.start();
    await asked.promise;
    nowMs = 10_020;
    wheel.advance();
    expect(outcomes).toEqual([{ ok: false, refused: false, why: 'no answer within 10 s' }]);
    expect(wheel.armedCount).toBe(0);
  });

  function signCall(
    to: GrpcPeer,
    outcomes: SignOutcome[],
    now: () => number,
    done: () => void,
  ): { readonly call: SignCall; readonly wheel: TimerWheel } {
    const clock = { nowMs: now, wallMs: now };
    const wheel = new TimerWheel(clock, () => () => {});
    const init = {
      clusters: to.clusters,
      clusterName: 'xds',
      clock,
      wheel,
      key: generateKeyPairSync('ec', { namedCurve: 'prime256v1' }),
      trustDomain: 'cluster.local',
      wantedId: '',
      proof: { case: 'joinToken', value: 'x' } as const,
    };
    const call = new SignCall(init, (outcome) => {
      outcomes.push(outcome);
      done();
    });
    return { call, wheel };
  }
});
