/** Our own extension for routes of the filters that shed load → SheddingPriorityConfig. */
import type { Message } from '@bufbuild/protobuf';
import type { SheddingPriorityConfig } from '../config/adaptive-concurrency-config.ts';
import { type SheddingPriority, SheddingPriority_Priority } from './api/outrigger/resilience/v1/shedding_pb.js';

export function sheddingPriority(message: Message): SheddingPriorityConfig {
  return Object.freeze({ kind: 'shedding-priority', priority: priorityOf((message as SheddingPriority).priority) });
}

/** An unknown number was reported by check-fields.ts. */
export function priorityOf(priority: SheddingPriority_Priority): SheddingPriorityConfig['priority'] {
  if (priority === SheddingPriority_Priority.CRITICAL) return 'critical';
  return priority === SheddingPriority_Priority.SHEDDABLE ? 'sheddable' : 'default';
}
