/** What a TrafficPolicy says of workloads themselves, in short, for rows of `outrigger get policies`: a line for each thing. */
import type { InboundLimitSettings, InboundTraffic } from '../config-kind/traffic-resource.ts';
import { matchText } from './limit-text.ts';
import { durationText } from './traffic-text.ts';

export function inboundTexts({ limits, adaptiveConcurrency: adaptive, priorities }: InboundTraffic): string[] {
  return [
    ...(limits === null ? [] : limits === 'off' ? ['inbound limits: off'] : limitTexts(limits)),
    ...(adaptive === null
      ? []
      : [
          adaptive === 'off'
            ? 'adaptive concurrency: off'
            : `adaptive concurrency: ${adaptive.minConcurrency} to ${adaptive.maxConcurrency} at a time`,
        ]),
    ...priorities.map(({ match, priority }) => `${priority}${ours}${matchText(match) || ' where nothing else holds'}`),
  ];
}

const ours = " (Outrigger's sidecars only)";

function limitTexts({ maxRequests, perCaller, perRoute, queue }: InboundLimitSettings): string[] {
  const named = (callers: ReadonlyArray<{ readonly namespace: string; readonly account: string }>): string =>
    callers.map(({ namespace, account }) => `${namespace}/${account === '' ? '*' : account}`).join('|');
  const parts = [
    ...(maxRequests === null ? [] : [`${maxRequests} at a time`]),
    ...(perCaller === null ? [] : [`${perCaller.maxRequests} of each caller`]),
    ...(perCaller?.exceptions ?? []).map((each) => `${each.maxRequests} of each of ${named(each.callers)}`),
    ...perRoute.map((route) => `${route.maxRequests} of ${route.name}${matchText(route.match)}`),
    ...(queue === null ? [] : [`${queue.maxRequests} wait ${durationText(queue.maxWaitMs)} at most`]),
  ];
  return [`inbound limits${ours}: ${parts.join(', ')}`];
}
