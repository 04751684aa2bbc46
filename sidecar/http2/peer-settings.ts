/** What the peer's SETTINGS say (RFC 9113 6.5.2), checked. */
import { ConnectionFault } from './connection-fault.ts';
import { flowControlError, protocolError } from './error-code.ts';
import { defaultMaxFrameBytes, readUint32 } from './frames/frame-header.ts';
import {
  settingEnableConnectProtocol,
  settingEnablePush,
  settingHeaderTableSize,
  settingInitialWindowSize,
  settingMaxConcurrentStreams,
  settingMaxFrameSize,
} from './frames/settings-frame.ts';
import { maxWindowBytes } from './frames/window-update-frame.ts';

/** Initial window of streams and connection until a SETTINGS frame says otherwise (RFC 9113 6.9.2). */
export const defaultWindowBytes = 65_535;

export class PeerSettings {
  headerTableBytes = 4096;
  initialWindowBytes = defaultWindowBytes;
  maxFrameBytes = defaultMaxFrameBytes;
  maxConcurrentStreams = 0xffff_ffff;
  enableConnectProtocol = false;

  /** Takes the settings of one frame in order. `fromServer`: who may not announce push. */
  apply(bytes: Buffer, start: number, end: number, fromServer: boolean): void {
    for (let at = start; at < end; at += 6) {
      const id = (bytes[at]! << 8) | bytes[at + 1]!;
      const value = readUint32(bytes, at + 2);
      if (id === settingHeaderTableSize) {
        this.headerTableBytes = value;
      } else if (id === settingEnablePush) {
        if (value > 1 || (fromServer && value === 1)) throw refused('ENABLE_PUSH', value);
      } else if (id === settingMaxConcurrentStreams) {
        this.maxConcurrentStreams = value;
      } else if (id === settingInitialWindowSize) {
        if (value > maxWindowBytes) {
          throw new ConnectionFault(
            flowControlError,
            'http2.settings_value',
            `SETTINGS_INITIAL_WINDOW_SIZE ${value} is above 2^31-1`,
          );
        }
        this.initialWindowBytes = value;
      } else if (id === settingMaxFrameSize) {
        if (value < 16_384 || value > 16_777_215) throw refused('MAX_FRAME_SIZE', value);
        this.maxFrameBytes = value;
      } else if (id === settingEnableConnectProtocol) {
        if (value > 1 || (value === 0 && this.enableConnectProtocol)) throw refused('ENABLE_CONNECT_PROTOCOL', value);
        this.enableConnectProtocol = value === 1;
      }
    }
  }
}

function refused(name: string, value: number): ConnectionFault {
  return new ConnectionFault(protocolError, 'http2.settings_value', `SETTINGS_${name} must not be ${value}`);
}
