/** Where an object of the API server stands, for messages: it has no file and no line. */
import type { Place } from '../../config-kind/resource.ts';

export const kubernetesPlace: Place = Object.freeze({ file: 'Kubernetes', line: 0, column: 0 });
