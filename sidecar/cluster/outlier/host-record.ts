/** What outlier detection remembers of one host. Plain numbers that the data path adds to; what they mean is decided by outlier-detector.ts. */

/** Requests of one interval, and of the one before it: only a whole interval is judged (Envoy's success rate buckets). */
export class OutcomeCounts {
  total = 0;
  good = 0;
  judgedTotal = 0;
  judgedGood = 0;
  /** In per cent; -1: too few requests in the last interval. */
  successRate = -1;

  turn(): void {
    this.judgedTotal = this.total;
    this.judgedGood = this.good;
    this.total = 0;
    this.good = 0;
    this.successRate = -1;
  }
}

export class HostRecord {
  readonly address: string;
  ejected = false;
  consecutive5xx = 0;
  consecutiveGatewayFailures = 0;
  consecutiveLocalFailures = 0;
  /** What the host answered; without `split_external_local_origin_errors` everything. */
  readonly external = new OutcomeCounts();
  readonly local = new OutcomeCounts();
  /** How many base times the next return takes: grows with each ejection, shrinks with each quiet interval. */
  backoff = 0;
  jitterMs = 0;
  ejections = 0;
  ejectedAtMs = -1;
  returnedAtMs = -1;
  /** For people: why it was ejected last. */
  reason = '';

  constructor(address: string) {
    this.address = address;
  }
}
