/** Whatever happens in whatever order, a stream ends exactly once, gives back every pause and leaves no timer. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { ProxyError, type RetrySafety } from '../codec/proxy-error.ts';
import type { ForwardActionConfig } from '../config/route-config.ts';
import { anyPath, fallbackTo, forward, hedgeAfter, retryPolicy, route } from './test/configs.ts';
import type { FakeClientStream } from './test/fake-peers.ts';
import { answer, bytes, get, grpcCall, post, StreamRig } from './test/stream-rig.ts';

type Step =
  | { readonly kind: 'data'; readonly size: number }
  | {
      readonly kind:
        | 'end'
        | 'trailers'
        | 'gone'
        | 'blocked'
        | 'ready'
        | 'connect'
        | 'up-info'
        | 'up-end'
        | 'up-trailers'
        | 'up-blocked'
        | 'up-ready';
    }
  | { readonly kind: 'connect-fails' | 'up-reset'; readonly retry: RetrySafety }
  | { readonly kind: 'up-head'; readonly status: number; readonly end: boolean }
  | { readonly kind: 'up-data'; readonly size: number }
  /** Of an attempt that another was sent beside. */
  | { readonly kind: 'slow-head'; readonly status: number; readonly end: boolean }
  | { readonly kind: 'slow-reset' }
  | { readonly kind: 'time'; readonly ms: number };

const size = fc.constantFrom(0, 1, 700, 40_000);
const retry = fc.constantFrom<RetrySafety>('unsent', 'idempotent', 'never');
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('data' as const), size }),
  fc.record({
    kind: fc.constantFrom(
      'end',
      'trailers',
      'gone',
      'blocked',
      'ready',
      'connect',
      'up-info',
      'up-end',
      'up-trailers',
      'up-blocked',
      'up-ready',
    ),
  }) as fc.Arbitrary<Step>,
  fc.record({ kind: fc.constant('connect' as const) }),
  fc.record({ kind: fc.constantFrom('connect-fails' as const, 'up-reset' as const), retry }),
  fc.record({ kind: fc.constant('up-head' as const), status: fc.constantFrom(101, 200, 204, 503), end: fc.boolean() }),
  fc.record({ kind: fc.constant('up-data' as const), size }),
  fc.record({ kind: fc.constant('slow-head' as const), status: fc.constantFrom(200, 503), end: fc.boolean() }),
  fc.record({ kind: fc.constant('slow-reset' as const) }),
  fc.record({ kind: fc.constant('time' as const), ms: fc.constantFrom(8, 40, 400, 2_000) }),
);

/** Plays steps as codecs and clusters would: what could not happen now is left out. */
class Player {
  readonly rig: StreamRig;
  #requestEnded: boolean;
  readonly #upgrade: boolean;
  #callerBlocked = false;
  #upstream: FakeClientStream | null = null;
  #upBlocked = false;
  #upHead = false;
  #upOver = false;
  /** Streams that have had an end of their own, or a head. */
  readonly #answered = new Set<FakeClientStream>();
  #tunnel = false;
  sent = '';
  /** A POST met an end after which the service may have acted on it. */
  mayHaveActed = false;
  readonly #posts: boolean;

  constructor(rig: StreamRig, kind: 'get' | 'post' | 'grpc' | 'upgrade') {
    this.rig = rig;
    this.#requestEnded = kind === 'get';
    this.#upgrade = kind === 'upgrade';
    this.#posts = kind === 'post' || kind === 'grpc';
    const head = kind === 'post' ? post('/') : kind === 'grpc' ? grpcCall(['grpc-timeout', '3S']) : get('/');
    if (kind === 'upgrade') head.upgrade = 'websocket';
    rig.request(head, kind === 'get');
  }

  get #live(): boolean {
    return this.rig.ends === 0;
  }

  #current(): FakeClientStream | null {
    const last = this.rig.cluster.streams.at(-1) ?? null;
    if (last !== this.#upstream) {
      this.#upstream = last;
      this.#upBlocked = false;
      this.#upHead = false;
      this.#upOver = false;
    }
    return last === null || last.resetBy !== null || this.#upOver ? null : last;
  }

  #error(retrySafety: RetrySafety): ProxyError {
    return new ProxyError({
      flag: 'UC',
      source: 'upstream',
      details: 'upstream_reset_before_response_started{connection_termination}',
      message: 'Gone.',
      retry: retrySafety,
    });
  }

  play(next: Step): void {
    const { stream, cluster, time, downstream } = this.rig;
    const up = this.#current();
    switch (next.kind) {
      case 'time':
        time.advance(next.ms);
        return;
      case 'connect':
        if (cluster.waiting.length > 0) cluster.connect();
        return;
      case 'connect-fails':
        if (cluster.waiting.length > 0) cluster.failWaiting(this.#error(next.retry));
        return;
      case 'gone':
        if (this.#live)
          stream.onReset(
            new ProxyError({
              flag: 'DC',
              source: 'downstream',
              details: 'downstream_remote_disconnect',
              message: 'Gone.',
            }),
          );
        return;
      case 'blocked':
      case 'ready':
        if (!this.#live || downstream.head === null || this.#callerBlocked === (next.kind === 'blocked')) return;
        this.#callerBlocked = !this.#callerBlocked;
        if (this.#callerBlocked) stream.onWriteBlocked();
        else stream.onWriteReady();
        return;
      case 'data':
      case 'end':
      case 'trailers':
        if (!this.#live || this.#requestEnded || (this.#upgrade && !this.#tunnel)) return;
        this.#request(next);
        return;
      case 'slow-head':
      case 'slow-reset': {
        const slow = cluster.streams.slice(0, -1).find((each) => each.resetBy === null && !this.#answered.has(each));
        if (slow === undefined || this.#upgrade) return;
        this.#answered.add(slow);
        if (next.kind === 'slow-reset') slow.receiver.onReset(this.#error('never'));
        else slow.receiver.onHead(answer(next.status), next.end);
        if (next.kind === 'slow-reset') slow.pauses = 0;
        return;
      }
      default:
        if (up !== null) this.#response(next, up);
    }
  }

  #request(next: Step): void {
    const { stream } = this.rig;
    if (next.kind === 'data') {
      if (next.size === 0) return;
      this.sent += 'x'.repeat(next.size);
      stream.onData(bytes(next.size), false);
      return;
    }
    this.#requestEnded = true;
    if (next.kind === 'end' || this.#tunnel) stream.onData(bytes(0), true);
    else stream.onTrailers(HeaderFields.of(['x-sum', '1']));
  }

  #response(next: Step, up: FakeClientStream): void {
    const { receiver } = up;
    switch (next.kind) {
      case 'up-blocked':
      case 'up-ready':
        if (this.#upBlocked === (next.kind === 'up-blocked')) return;
        this.#upBlocked = !this.#upBlocked;
        if (this.#upBlocked) receiver.onWriteBlocked();
        else receiver.onWriteReady();
        return;
      case 'up-reset':
        this.#upOver = true;
        this.#answered.add(up);
        // A stream that is dead is not paused any more.
        up.pauses = 0;
        if (this.#posts && next.retry !== 'unsent') this.mayHaveActed = true;
        receiver.onReset(this.#error(this.#upHead ? 'never' : next.retry));
        return;
      case 'up-info':
        if (!this.#upHead) receiver.onInformational(answer(103));
        return;
      case 'up-head': {
        if (this.#upHead) return;
        this.#upHead = true;
        this.#answered.add(up);
        const status = next.status === 101 && !this.#upgrade ? 200 : next.status;
        this.#tunnel = status === 101;
        if (this.#upgrade && !this.#tunnel) this.#requestEnded = true;
        this.#upOver = next.end && !this.#tunnel;
        receiver.onHead(answer(status), this.#upOver);
        return;
      }
      case 'up-data':
        if (this.#upHead && next.size > 0) receiver.onData(bytes(next.size), false);
        return;
      case 'up-end':
      case 'up-trailers':
        if (!this.#upHead) return;
        this.#upOver = true;
        if (next.kind === 'up-trailers' && !this.#tunnel) receiver.onTrailers(HeaderFields.of(['grpc-status', '0']));
        else receiver.onData(bytes(0), true);
    }
  }

  /** Nothing else happens: the caller goes. */
  finish(): void {
    this.play({ kind: 'gone' });
  }
}

function rigFor(connectsAtOnce: boolean, reused: boolean, action: Partial<ForwardActionConfig>): StreamRig {
  const rig = new StreamRig({
    routes: [route('r', anyPath, forward('orders', { timeoutMs: 4_000, grpcTimeoutHeaderMaxMs: 0, ...action }))],
    config: { streamIdleTimeoutMs: 3_000, maxStreamDurationMs: 9_000 },
    bufferLimitBytes: 30_000,
  });
  rig.cluster.connectsAtOnce = connectsAtOnce;
  rig.cluster.reused = reused;
  rig.random = 0.5;
  return rig;
}

/** Plays to the end, and looks at what must be so however it went. */
function finishAndCheck(rig: StreamRig, player: Player, steps: readonly Step[]): void {
  const { downstream, cluster } = rig;
  // What went upstream is what came, from its beginning, on every attempt.
  for (const stream of cluster.streams) expect(player.sent.startsWith(stream.body)).toBe(true);
  player.finish();
  expect(rig.ends).toBe(1);
  expect(rig.lines.length).toBe(1);
  expect(rig.time.wheel.armedCount).toBe(0);
  expect(downstream.pauses).toBe(0);
  expect(cluster.waiting.length).toBe(0);
  expect(cluster.retryPlaces).toBe(3);
  expect(cluster.repeatPlaces).toBe(10);
  expect(cluster.outcomes.length).toBe(cluster.streams.length);
  for (const stream of cluster.streams) expect(stream.pauses).toBe(0);
  // A second event of any kind changes nothing.
  for (const next of steps) player.play(next);
  expect(rig.ends).toBe(1);
}

const kinds = fc.constantFrom<'get' | 'post' | 'grpc' | 'upgrade'>('get', 'post', 'grpc', 'upgrade');
const manySteps = fc.array(step, { maxLength: 40 });

const fixed = { status: 200, headers: [], body: 'sorry', grpcStatus: 0, grpcMessage: '' };
const hedging = hedgeAfter(100, { maxHedges: 2 });
const stale = { maxAgeMs: 60_000, maxEntryBytes: 1_000, varyBy: [] };
/** Extensions of ours, of which none sends a POST twice. */
const extras = fc.constantFrom<Partial<ForwardActionConfig>>(
  {},
  { hedging },
  { hedging, fallback: fallbackTo({ stale, answer: fixed }) },
  { fallback: fallbackTo({ service: { cluster: 'archive', timeoutMs: 500 } }) },
  { hedging, fallback: fallbackTo({ service: { cluster: 'archive', timeoutMs: null }, stale, answer: fixed }) },
);

test('any interleaving of both sides, time and repeats ends the stream exactly once, and never posts twice', () => {
  fc.assert(
    fc.property(kinds, fc.boolean(), fc.boolean(), extras, manySteps, (kind, connectsAtOnce, reused, extra, steps) => {
      const retry = retryPolicy(['reset-before-request', 'connect-failure'], 2);
      const rig = rigFor(connectsAtOnce, reused, { retry, ...extra });
      const player = new Player(rig, kind);
      for (const next of steps) {
        const attempts = rig.cluster.contexts.length;
        const acted = player.mayHaveActed;
        player.play(next);
        // Never a second POST.
        if (acted) expect(rig.cluster.contexts.length).toBe(attempts);
        else if (player.mayHaveActed) expect(rig.ends).toBe(1);
      }
      finishAndCheck(rig, player, steps);
    }),
    { numRuns: 1_000 },
  );
});

test('the same with every retry, tries that have a time of their own, and hedges', () => {
  fc.assert(
    fc.property(
      kinds,
      fc.boolean(),
      fc.boolean(),
      fc.constantFrom(0, 100),
      fc.constantFrom(0, 60),
      manySteps,
      (kind, connectsAtOnce, hedgeOnPerTryTimeout, perTryTimeoutMs, perTryIdleTimeoutMs, steps) => {
        const retry = retryPolicy(['5xx', 'unavailable'], 3, { perTryTimeoutMs, perTryIdleTimeoutMs });
        const rig = rigFor(connectsAtOnce, true, { retry, hedgeOnPerTryTimeout });
        const player = new Player(rig, kind);
        for (const next of steps) {
          player.play(next);
          // One answer, and nothing of another.
          if (rig.downstream.head !== null && rig.ends === 0)
            expect(rig.cluster.streams.filter((stream) => stream.resetBy === null).length).toBeGreaterThan(0);
        }
        expect(rig.cluster.contexts.length).toBeLessThanOrEqual(1 + 3 + 3);
        finishAndCheck(rig, player, steps);
      },
    ),
    { numRuns: 1_000 },
  );
});

test('the same with hedges of any request, and every fallback', () => {
  fc.assert(
    fc.property(kinds, fc.boolean(), fc.boolean(), extras, manySteps, (kind, connectsAtOnce, retries, extra, steps) => {
      const rig = rigFor(connectsAtOnce, true, {
        ...extra,
        hedging: { ...hedging, methods: ['GET', 'POST'] },
        retry: retries ? retryPolicy(['5xx', 'unavailable'], 3, { perTryTimeoutMs: 200 }) : null,
      });
      const player = new Player(rig, kind);
      for (const next of steps) player.play(next);
      // A first attempt, hedges, retries, free repeats; and another service with its own.
      expect(rig.cluster.contexts.length).toBeLessThanOrEqual(1 + 2 + 3 + 3 + 1 + 3);
      expect(rig.cluster.fallbacks.length).toBeLessThanOrEqual(3);
      finishAndCheck(rig, player, steps);
    }),
    { numRuns: 1_000 },
  );
});
