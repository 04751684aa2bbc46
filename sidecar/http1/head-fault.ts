/** Why a message was refused by the parser: Envoy's detail text, and the status for a request. Becomes a ProxyError in the connection that met it. */
import { ProxyError } from '../codec/proxy-error.ts';

export class HeadFault {
  readonly details: string;
  /** One sentence; holds nothing that the peer sent. */
  readonly message: string;
  /** HTTP status of the refusal of a request; a response is a 502 always. */
  readonly status: number;

  constructor(details: string, message: string, status = 400) {
    this.details = details;
    this.message = message;
    this.status = status;
  }
}

export function requestFault(fault: HeadFault): ProxyError {
  return new ProxyError({
    flag: 'DPE',
    source: 'downstream',
    details: fault.details,
    message: fault.message,
    status: fault.status,
  });
}

/** `started`: the head of the response was already passed on. */
export function responseFault(fault: HeadFault, started: boolean): ProxyError {
  return new ProxyError({
    flag: 'UPE',
    source: 'upstream',
    details: `upstream_reset_${started ? 'after' : 'before'}_response_started{protocol_error|${fault.details}}`,
    message: fault.message,
    status: 502,
  });
}
