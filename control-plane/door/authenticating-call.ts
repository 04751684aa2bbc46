/**
 * A call on the TLS door: let in when its caller is known, asked again with each message and by {@link LiveCalls} now and then, and ended when the caller counts no more. A few methods need no proof; of them
 * only so many run at a time, and each has to say what it wants soon.
 */
import {
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  status,
} from '@grpc/grpc-js';
import { IdentityFault } from '../../certs/identity-fault.ts';
import type { ConnectionContext } from '../identity/connection-identity.ts';
import type { Authentication } from './authentication.ts';
import type { Caller, DoorContext } from './caller.ts';
import { refusal, refusalOf, refusalReason } from './refusal.ts';
import type { RefusalLog } from './refusal-log.ts';

type Listener = Parameters<ServerInterceptingCallInterface['start']>[0];

export interface DoorGuard {
  readonly authentication: Authentication;
  /** Methods by path that need no proof. */
  readonly openMethods: ReadonlySet<string>;
  readonly calls: LiveCalls;
  readonly log: RefusalLog;
  readonly after: (delayMs: number, callback: () => void) => () => void;
  /** `reason` is one of our words. */
  readonly onRefused: (reason: string) => void;
  /** A caller proved itself on the connection from this address. */
  readonly onProven: (address: string, caller: Caller) => void;
}

/** Open calls at a time: of one address, and of all. */
const maxOpenCallsOfOne = 64;
const maxOpenCalls = 1024;
/** How long an open call may take to send its request. */
const openRequestMs = 5_000;

/** Calls that are under way, to ask again who is behind them. */
export class LiveCalls {
  readonly #proven = new Set<AuthenticatingCall>();
  readonly #open = new Map<string, number>();
  #openCount = 0;

  get size(): number {
    return this.#proven.size;
  }

  /** Ends the calls whose callers count no more. Called every second or so. */
  sweep(): void {
    for (const call of this.#proven) call.checkCaller();
  }

  add(call: AuthenticatingCall): void {
    this.#proven.add(call);
  }

  delete(call: AuthenticatingCall): void {
    this.#proven.delete(call);
  }

  /** False: there are too many of this address, or altogether. */
  enterOpen(host: string): boolean {
    const count = this.#open.get(host) ?? 0;
    if (count >= maxOpenCallsOfOne || this.#openCount >= maxOpenCalls) return false;
    this.#open.set(host, count + 1);
    this.#openCount++;
    return true;
  }

  leaveOpen(host: string): void {
    const count = this.#open.get(host) ?? 0;
    if (count <= 1) this.#open.delete(host);
    else this.#open.set(host, count - 1);
    this.#openCount--;
  }
}

export function authenticating(guard: DoorGuard): ServerInterceptor {
  return (method, call) => new AuthenticatingCall(method.path, call, guard);
}

class AuthenticatingCall extends ServerInterceptingCall {
  readonly #path: string;
  readonly #guard: DoorGuard;
  /** Of the connection, and so the same all along; asked once, as it costs as much as a signature. */
  #connection: ReturnType<ServerInterceptingCall['getAuthContext']> | null = null;
  #caller: Caller | null = null;
  /** No more goes through, either way. */
  #ended = false;
  #stopTimer: () => void = () => {};
  #openHost: string | null = null;

  constructor(path: string, call: ServerInterceptingCallInterface, guard: DoorGuard) {
    super(call);
    this.#path = path;
    this.#guard = guard;
  }

  override start(listener: Listener): void {
    super.start({
      onReceiveMetadata: (metadata) => this.#admit(metadata, listener),
      onReceiveMessage: (message) => {
        this.#stopTimer();
        if (this.checkCaller()) listener.onReceiveMessage(message);
      },
      onReceiveHalfClose: () => {
        if (!this.#ended) listener.onReceiveHalfClose();
      },
      onCancel: () => {
        this.#leave();
        listener.onCancel();
      },
    });
  }

  override getAuthContext(): DoorContext {
    this.#connection ??= super.getAuthContext();
    return { ...this.#connection, caller: this.#caller };
  }

  override sendMessage(message: unknown, callback: () => void): void {
    if (!this.#ended) super.sendMessage(message, callback);
  }

  override sendStatus(ending: Parameters<ServerInterceptingCallInterface['sendStatus']>[0]): void {
    if (this.#ended) return;
    this.#leave();
    super.sendStatus(ending);
  }

  /** False when the caller counts no more; the call has been ended then. */
  checkCaller(): boolean {
    if (this.#ended) return false;
    const fault = this.#caller?.fault() ?? '';
    if (fault === '') return true;
    this.#refuse(new IdentityFault('token-refused', fault), 'lapsed');
    return false;
  }

  #admit(metadata: Metadata, listener: Listener): void {
    const { authentication, openMethods } = this.#guard;
    const go = (caller: Caller | null): void => {
      if (this.#ended) return;
      this.#caller = caller;
      if (caller !== null) this.#guard.onProven(this.getPeer(), caller);
      if (caller !== null && this.#openHost === null) this.#guard.calls.add(this);
      // Handlers have no use for it, and what they do not have they can't log.
      metadata.remove('authorization');
      listener.onReceiveMetadata(metadata);
    };
    try {
      const open = openMethods.has(this.#path);
      if (open && !this.#enterOpen()) return;
      const byCertificate = open
        ? this.#ifAny()
        : authentication.byCertificate(this.getAuthContext() as ConnectionContext);
      if (byCertificate !== null || open) {
        go(byCertificate);
        return;
      }
    } catch (error) {
      this.#refuse(error, refusalReason(error));
      return;
    }
    const host = this.getConnectionInfo().remoteAddress ?? '';
    authentication.byToken(metadata.get('authorization').map(String), host).then(go, (error: unknown) => {
      if (!this.#ended) this.#refuse(error, refusalReason(error));
    });
  }

  /** Who comes with a faulty certificate may still ask for a new one. */
  #ifAny(): Caller | null {
    try {
      return this.#guard.authentication.byCertificate(this.getAuthContext() as ConnectionContext);
    } catch {
      return null;
    }
  }

  #enterOpen(): boolean {
    const host = this.getConnectionInfo().remoteAddress ?? '';
    if (!this.#guard.calls.enterOpen(host)) {
      this.#guard.onRefused('too-many-open-calls');
      this.#leave();
      super.sendStatus(refusal(status.RESOURCE_EXHAUSTED, 'too many requests at once; try again in a moment'));
      return false;
    }
    this.#openHost = host;
    this.#stopTimer = this.#guard.after(openRequestMs, () => {
      this.#guard.onRefused('slow-request');
      this.sendStatus(refusal(status.DEADLINE_EXCEEDED, `no request within ${openRequestMs / 1000} s`));
    });
    return true;
  }

  #refuse(error: unknown, reason: string): void {
    this.#guard.onRefused(reason);
    const answer = refusalOf(error, `${this.#path} for ${this.getPeer()}`, this.#guard.log.next());
    this.#leave();
    super.sendStatus(answer);
  }

  #leave(): void {
    this.#ended = true;
    this.#stopTimer();
    this.#guard.calls.delete(this);
    if (this.#openHost !== null) this.#guard.calls.leaveOpen(this.#openHost);
    this.#openHost = null;
  }
}
