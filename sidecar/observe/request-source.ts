/** Where records of requests are found: what observation takes of the flight recorder. */
import type { FlightRecorder } from '../recorder/flight-recorder.ts';

export type RequestSource = Pick<FlightRecorder, 'find' | 'list' | 'onRecord'>;
