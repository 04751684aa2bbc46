/** So many calls at a time of all callers together: for the plain door, where nobody is known who could have a share. */
import {
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  status,
} from '@grpc/grpc-js';
import { refusal } from './refusal.ts';

type Listener = Parameters<ServerInterceptingCallInterface['start']>[0];

/** `onRefused`: told one of our words. */
export function boundedCalls(maxCalls: number, onRefused: (reason: string) => void): ServerInterceptor {
  const calls = new Set<BoundedCall>();
  return (_method, call) => new BoundedCall(call, calls, maxCalls, onRefused);
}

class BoundedCall extends ServerInterceptingCall {
  readonly #calls: Set<BoundedCall>;
  readonly #maxCalls: number;
  readonly #onRefused: (reason: string) => void;

  constructor(
    call: ServerInterceptingCallInterface,
    calls: Set<BoundedCall>,
    maxCalls: number,
    onRefused: (reason: string) => void,
  ) {
    super(call);
    this.#calls = calls;
    this.#maxCalls = maxCalls;
    this.#onRefused = onRefused;
  }

  override start(listener: Listener): void {
    super.start({
      onReceiveMetadata: (metadata) => {
        if (this.#calls.size < this.#maxCalls) {
          this.#calls.add(this);
          listener.onReceiveMetadata(metadata);
          return;
        }
        this.#onRefused('too-many-calls');
        super.sendStatus(
          refusal(
            status.RESOURCE_EXHAUSTED,
            `${this.#maxCalls} calls are under way on this port, which is all that it takes; try again later`,
          ),
        );
      },
      onReceiveMessage: (message) => listener.onReceiveMessage(message),
      onReceiveHalfClose: () => listener.onReceiveHalfClose(),
      onCancel: () => {
        this.#calls.delete(this);
        listener.onCancel();
      },
    });
  }

  override sendStatus(ending: Parameters<ServerInterceptingCallInterface['sendStatus']>[0]): void {
    this.#calls.delete(this);
    super.sendStatus(ending);
  }
}
