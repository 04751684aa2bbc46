/** The ways in which an upstream connection ends a request early, with what each says of sending the request again. One object each: they hold no detail. */
import { ProxyError } from '../codec/proxy-error.ts';

/** The connection closed while the whole request still stood in our own buffer. */
export const closedUnsent = new ProxyError({
  flag: 'UC',
  source: 'upstream',
  details: 'upstream_reset_before_response_started{connection_termination}',
  message: 'The upstream closed the connection before the request was sent.',
  retry: 'unsent',
});

/** It closed without a byte of a response; the upstream may have acted on the request. */
export const closedBeforeStart = new ProxyError({
  flag: 'UC',
  source: 'upstream',
  details: 'upstream_reset_before_response_started{connection_termination}',
  message: 'The upstream closed the connection without a response.',
  retry: 'idempotent',
});

/** It closed in the middle of a head, or after 1xx. */
export const closedBeforeEnd = new ProxyError({
  flag: 'UC',
  source: 'upstream',
  details: 'upstream_reset_before_response_started{connection_termination}',
  message: 'The upstream closed the connection in the middle of the head of its response.',
});

export const closedAfterStart = new ProxyError({
  flag: 'UC',
  source: 'upstream',
  details: 'upstream_reset_after_response_started{connection_termination}',
  message: 'The upstream closed the connection in the middle of its response.',
});

/** Bytes came on a connection whose request stood in our own buffer still: they answer nothing. */
export const unsolicitedUnsent = new ProxyError({
  flag: 'UC',
  source: 'upstream',
  details: 'upstream_reset_before_response_started{connection_termination|http1.unsolicited_response}',
  message:
    'The upstream sent bytes that no request asked for, and the connection was closed before the request was sent.',
  retry: 'unsent',
});

/** Bytes came on a connection without a request, or behind a whole response. */
export const unsolicited = new ProxyError({
  flag: 'UPE',
  source: 'upstream',
  details: 'http1.unsolicited_response',
  message: 'The upstream sent bytes that no request asked for.',
});

export const brokenRequest = new ProxyError({
  flag: 'LR',
  source: 'local',
  details: 'http1.request_framing_mismatch',
  message: 'The request does not match the framing that its head announced; the connection was cut.',
});
