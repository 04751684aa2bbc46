/** Makes a response head, or trailers, out of a decoded header block, or says why it is malformed (RFC 9113 8.2, 8.3.2). */
import { HeaderFields } from '../codec/header-fields.ts';
import type { HeaderName } from '../codec/header-name.ts';
import { ResponseHead } from '../codec/message-head.ts';
import { contentLengthValue } from './content-length.ts';
import type { FieldBlock } from './hpack/field-block.ts';
import {
  kindConnectionSpecific,
  kindContentLength,
  kindHost,
  kindInvalid,
  kindMethod,
  kindRegular,
  kindStatus,
  kindTe,
} from './hpack/field-name.ts';

/** A response or trailers (status 0) as the block says it; see RequestTemplate. */
export class ResponseTemplate {
  status = 0;
  /** -1 for none. */
  contentLength = -1;
  readonly names: HeaderName[] = [];
  readonly values: string[] = [];

  toHead(): ResponseHead {
    return new ResponseHead(this.status, this.toFields(), '', '2');
  }

  toFields(): HeaderFields {
    return new HeaderFields(this.names.slice(), this.values.slice());
  }
}

/** The response head, or in words what is wrong with it. */
export function readResponse(block: FieldBlock): ResponseTemplate | string {
  const { names, values } = block;
  if (block.hasInvalidValue) return 'a field value has a forbidden character';
  const response = new ResponseTemplate();
  let pseudoOver = false;
  for (let i = 0; i < names.length; i++) {
    const field = names[i]!;
    const value = values[i]!;
    const { kind } = field;
    if (kind >= kindMethod) {
      if (pseudoOver) return 'a pseudo-header comes after a regular field';
      if (kind !== kindStatus) return 'an unknown or request pseudo-header';
      if (response.status !== 0) return ':status comes twice';
      response.status = statusValue(value);
      if (response.status === 0) return ':status is not a number from 100 to 599';
      continue;
    }
    pseudoOver = true;
    if (kind !== kindRegular) {
      if (kind === kindInvalid) return 'a field name is not a lower-case token';
      if (kind === kindConnectionSpecific || kind === kindTe) return `${field.name.raw} is not allowed`;
      if (kind === kindContentLength) {
        if (response.contentLength >= 0) return 'content-length comes twice';
        response.contentLength = contentLengthValue(value);
        if (response.contentLength < 0) return 'content-length is not a number';
      }
    }
    response.names.push(field.name);
    response.values.push(value);
  }
  if (response.status === 0) return ':status is missing';
  if (response.status === 101) return 'status 101 does not exist in HTTP/2 (RFC 9113 8.6)';
  return response;
}

/** Trailers of a request or a response, or in words what is wrong with them. */
export function readTrailers(block: FieldBlock): ResponseTemplate | string {
  const { names, values } = block;
  if (block.hasInvalidValue) return 'a trailer value has a forbidden character';
  const trailers = new ResponseTemplate();
  for (let i = 0; i < names.length; i++) {
    const { kind, name } = names[i]!;
    if (kind >= kindMethod) return 'a pseudo-header in trailers';
    if (kind === kindInvalid) return 'a trailer name is not a lower-case token';
    // What frames or routes a message has no place behind it (RFC 9110 6.5.1).
    if (kind === kindConnectionSpecific || kind === kindTe || kind === kindContentLength || kind === kindHost) {
      return `${name.raw} in trailers`;
    }
    trailers.names.push(name);
    trailers.values.push(values[i]!);
  }
  return trailers;
}

/** 0 for what is no status (RFC 9110 15): nobody further down could know what it means. */
function statusValue(value: string): number {
  if (value.length !== 3) return 0;
  const status = contentLengthValue(value);
  return status >= 100 && status <= 599 ? status : 0;
}
