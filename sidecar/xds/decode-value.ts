/** Small values that many messages have: durations, addresses, data sources, strings to match, header mutations. Faults go to the list; a stand-in is returned. */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { Duration } from '@bufbuild/protobuf/wkt';
import { headerName } from '../codec/header-name.ts';
import type { SocketAddress } from '../config/listener-config.ts';
import type { HeaderAdd, HeaderMutations, StringMatchConfig } from '../config/route-config.ts';
import { noHeaderMutations } from '../config/route-config.ts';
import { compileLinearRegex } from '../runtime/linear-regex.ts';
import { isHostName } from '../transport/host-name.ts';
import type { Address } from './api/envoy/config/core/v3/address_pb.js';
import {
  type DataSource,
  type HeaderValueOption,
  HeaderValueOption_HeaderAppendAction,
} from './api/envoy/config/core/v3/base_pb.js';
import type { StringMatcher } from './api/envoy/type/matcher/v3/string_pb.js';
import { at, type Faults } from './fault.ts';

/** `max_headers_count`: memory is set aside for so many. Nobody's requests have more; Envoy has no upper bound. */
export const mostFields = 65_535;
/** More than this is a slip of the pen; Node's own timers overflow at 25 days. */
export const mostWaitMs = 24 * 3_600_000;

/** Milliseconds, or `fallback` when not set. Negative ones are a fault. */
export function durationMs(duration: Duration | undefined, fallback: number, path: string, faults: Faults): number {
  if (duration === undefined) return fallback;
  const ms = Number(duration.seconds) * 1000 + duration.nanos / 1_000_000;
  if (ms < 0 || ms > 1e13) {
    faults.add(path, `${ms} ms is not a usable duration`);
    return fallback;
  }
  return ms;
}

/** As durationMs(), for how long a connection, a handshake or first bytes are waited for: a day at most. */
export function waitMs(duration: Duration | undefined, fallback: number, path: string, faults: Faults): number {
  const ms = durationMs(duration, fallback, path, faults);
  if (ms > mostWaitMs) faults.add(path, `${ms / 1000} s is above ${mostWaitMs / 1000} s`);
  return ms;
}

/** Adds a fault unless `value` lies between `least` and `most`; gives the value, or `fallback` when it is not set. */
export function bounded(
  value: number | undefined,
  fallback: number,
  least: number,
  most: number,
  path: string,
  faults: Faults,
): number {
  if (value === undefined) return fallback;
  // This way round, as NaN is neither.
  if (!(value >= least && value <= most)) faults.add(path, `${value} is not between ${least} and ${most}`);
  return value;
}

/** `protocol`: which one it has to say; TCP is what is said by default. */
export function socketAddress(
  address: Address | undefined,
  path: string,
  faults: Faults,
  protocol: 'tcp' | 'either' = 'tcp',
): SocketAddress {
  const none = { host: '127.0.0.1', port: 0 };
  if (address?.address.case !== 'socketAddress') {
    if (address?.address.case === 'pipe')
      faults.add(at(path, 'pipe'), 'is not supported here: only for hosts in load_assignment of a cluster');
    else faults.add(path, 'has no socket_address');
    return none;
  }
  const socket = address.address.value;
  const here = at(path, 'socket_address');
  if (socket.protocol !== 0 && protocol === 'tcp')
    faults.add(at(here, 'protocol'), 'only TCP is supported here; UDP for a listener with dns_filter');
  const host = socket.address === 'localhost' ? '127.0.0.1' : socket.address;
  if (isIP(host) === 0) faults.add(at(here, 'address'), `${JSON.stringify(socket.address)} is not an IP address`);
  if (socket.portSpecifier.case !== 'portValue') {
    faults.add(at(here, 'port_value'), 'is missing');
    return none;
  }
  const port = socket.portSpecifier.value;
  if (port > 65535) faults.add(at(here, 'port_value'), `${port} is not a port (0 to 65535)`);
  return Object.freeze({ host, port });
}

/** A socket address whose host may be a name too; `localhost` is one there. */
export function namedAddress(address: Address | undefined, path: string, faults: Faults): SocketAddress {
  const socket = address?.address.case === 'socketAddress' ? address.address.value : undefined;
  if (socket === undefined || socket.address === 'localhost' || isIP(socket.address) !== 0)
    return socketAddress(address, path, faults);
  const here = at(path, 'socket_address');
  if (!isHostName(socket.address))
    faults.add(at(here, 'address'), `${JSON.stringify(socket.address)} is neither an IP address nor a name`);
  if (socket.portSpecifier.case !== 'portValue') faults.add(at(here, 'port_value'), 'is missing');
  const port = socket.portSpecifier.case === 'portValue' ? socket.portSpecifier.value : 0;
  if (port > 65535) faults.add(at(here, 'port_value'), `${port} is not a port (0 to 65535)`);
  return Object.freeze({ host: socket.address, port });
}

/** `sun_path` has 108 bytes, the last of them NUL. */
const mostPipeBytes = 107;

/** An IP address and port, or a Unix socket. */
export function hostAddress(address: Address | undefined, path: string, faults: Faults): SocketAddress {
  if (address?.address.case !== 'pipe') return socketAddress(address, path, faults);
  const pipePath = address.address.value.path;
  const length = Buffer.byteLength(pipePath);
  if (!/^[/@]./.test(pipePath) || pipePath.includes('\0'))
    faults.add(at(path, 'pipe.path'), `${JSON.stringify(pipePath)} is neither an absolute path nor @ and a name`);
  else if (length > mostPipeBytes)
    faults.add(at(path, 'pipe.path'), `has ${length} bytes; ${mostPipeBytes} is the limit for a Unix socket`);
  return Object.freeze({ host: '', port: 0, pipePath });
}

/** Text of a data source; files are read now. */
export function dataSourceText(source: DataSource | undefined, path: string, faults: Faults): string {
  switch (source?.specifier.case) {
    case 'inlineString':
      return source.specifier.value;
    case 'inlineBytes':
      return Buffer.from(source.specifier.value).toString('utf8');
    case 'filename':
      try {
        return readFileSync(source.specifier.value, 'utf8');
      } catch (error) {
        faults.add(
          at(path, 'filename'),
          `cannot read ${source.specifier.value}: ${(error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : (error as Error).message}`,
        );
        return '';
      }
    default:
      faults.add(path, 'has neither filename nor inline data');
      return '';
  }
}

/** A pattern in RE2 syntax, checked. */
export function regexText(pattern: string, path: string, faults: Faults): string {
  try {
    compileLinearRegex(pattern);
  } catch (error) {
    faults.add(
      path,
      `${JSON.stringify(pattern.length > 256 ? `${pattern.slice(0, 256)}…` : pattern)} is not a regular expression (RE2 syntax): ${(error as Error).message}`,
    );
    return '';
  }
  return pattern;
}

export function stringMatch(matcher: StringMatcher, path: string, faults: Faults): StringMatchConfig {
  const { matchPattern, ignoreCase } = matcher;
  switch (matchPattern.case) {
    case 'exact':
    case 'prefix':
    case 'suffix':
    case 'contains':
      if (matchPattern.value === '' && matchPattern.case !== 'exact')
        faults.add(at(path, matchPattern.case), 'must not be empty');
      return { kind: matchPattern.case, value: matchPattern.value, ignoreCase };
    case 'safeRegex':
      return { kind: 'regex', value: regexText(matchPattern.value.regex, at(path, 'safe_regex.regex'), faults) };
    default:
      faults.add(path, 'has no match pattern');
      return { kind: 'exact', value: '', ignoreCase: false };
  }
}

/** Something that must not stand in a header value (RFC 9110 5.5). */
export function hasControlCharacter(value: string): boolean {
  // eslint-disable-next-line no-control-regex
  return /[^\t\x20-\x7e\x80-\xff]/.test(value);
}

interface HeaderOptions {
  readonly requestHeadersToAdd: readonly HeaderValueOption[];
  readonly requestHeadersToRemove: readonly string[];
  readonly responseHeadersToAdd: readonly HeaderValueOption[];
  readonly responseHeadersToRemove: readonly string[];
}

export function headerMutations(
  options: HeaderOptions,
  path: string,
  faults: Faults,
): { readonly requestHeaders: HeaderMutations; readonly responseHeaders: HeaderMutations } {
  return {
    requestHeaders: mutations(options.requestHeadersToAdd, options.requestHeadersToRemove, path, 'request', faults),
    responseHeaders: mutations(options.responseHeadersToAdd, options.responseHeadersToRemove, path, 'response', faults),
  };
}

function mutations(
  add: readonly HeaderValueOption[],
  remove: readonly string[],
  path: string,
  side: 'request' | 'response',
  faults: Faults,
): HeaderMutations {
  if (add.length === 0 && remove.length === 0) return noHeaderMutations;
  return Object.freeze({
    add: add.map((option, i) => headerAdd(option, at(at(path, `${side}_headers_to_add`), i), faults)),
    remove: remove.map((name, i) => {
      if (!validHeaderName(name) || name.toLowerCase() === 'host')
        faults.add(at(at(path, `${side}_headers_to_remove`), i), `${JSON.stringify(name)} cannot be removed`);
      return name.toLowerCase();
    }),
  });
}

export function headerAdd(option: HeaderValueOption, path: string, faults: Faults): HeaderAdd {
  const name = option.header?.key ?? '';
  const value = option.header?.value ?? '';
  if (!settableHeader(name))
    faults.add(at(path, 'header.key'), `${JSON.stringify(name)} is not a header that can be added`);
  if (hasControlCharacter(value))
    faults.add(at(path, 'header.value'), 'has a character that may not stand in a header value');
  if (/%/.test(value.replaceAll('%%', '')))
    faults.add(
      at(path, 'header.value'),
      `${JSON.stringify(value)} has a command operator (%…%), which is not supported here; see docs/xds-support.md`,
    );
  headerName(name);
  return { name, value, keepEmpty: option.keepEmptyValue, action: appendAction(option) };
}

function appendAction(option: HeaderValueOption): HeaderAdd['action'] {
  // The older boolean, where it is set, says append or overwrite.
  if (option.append !== undefined) return option.append ? 'append' : 'overwrite';
  switch (option.appendAction) {
    case HeaderValueOption_HeaderAppendAction.ADD_IF_ABSENT:
      return 'add-if-absent';
    case HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD:
      return 'overwrite';
    case HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS:
      return 'overwrite-if-exists';
    default:
      return 'append';
  }
}

/** A header that a configuration may write: not one that frames or addresses the message. */
export function settableHeader(name: string): boolean {
  return (
    validHeaderName(name) && !['host', 'content-length', 'transfer-encoding', 'connection'].includes(name.toLowerCase())
  );
}

function validHeaderName(name: string): boolean {
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name);
}
