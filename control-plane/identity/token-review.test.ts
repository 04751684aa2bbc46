import { describe, expect, it } from 'vitest';
import { kubernetesToken } from './kubernetes-token.test-data.ts';
import { TokenReview, type TokenReviewAnswer, TokenReviewUnavailable } from './token-review.ts';

const audience = 'outrigger';
const token = kubernetesToken('x');
const from = { host: '10.0.0.1', signing: true };
const user = { username: 'system:serviceaccount:shop:orders' };

function rig(answer: () => Promise<TokenReviewAnswer>, maxInFlight = 32) {
  const calls: Array<{ readonly url: string; readonly headers: Record<string, string>; readonly body: unknown }> = [];
  const review = new TokenReview({
    apiServer: 'https://kubernetes.default.svc',
    bearerToken: () => 'own-token',
    audience,
    maxInFlight,
    fetch: (url, { headers, body }) => {
      calls.push({ url, headers, body: JSON.parse(body) });
      return answer();
    },
  });
  return { review, calls };
}

function says(status: unknown, code = 201): () => Promise<TokenReviewAnswer> {
  return async () => ({ status: code, text: async () => JSON.stringify({ status }) });
}

const refused = expect.objectContaining({ name: 'IdentityFault', reason: 'token-refused' });

describe('TokenReview (authentication.k8s.io/v1)', () => {
  it('asks with our audience and credential, and gives the service account', async () => {
    const { review, calls } = rig(says({ authenticated: true, audiences: [audience], user }));
    expect(await review.review(token, from)).toEqual({ namespace: 'shop', serviceAccount: 'orders' });
    expect(calls).toEqual([
      {
        url: 'https://kubernetes.default.svc/apis/authentication.k8s.io/v1/tokenreviews',
        headers: { authorization: 'Bearer own-token', 'content-type': 'application/json', accept: 'application/json' },
        body: {
          apiVersion: 'authentication.k8s.io/v1',
          kind: 'TokenReview',
          spec: { token, audiences: [audience] },
        },
      },
    ]);
  });

  it.each([
    ['a token that Kubernetes does not know', { authenticated: false, audiences: [audience], user }],
    ['an answer without a status', undefined],
    ['authenticated that is not true itself', { authenticated: 'true', audiences: [audience], user }],
    ['a token for another audience', { authenticated: true, audiences: ['other'], user }],
    ['an API server that knows no audiences', { authenticated: true, user }],
    ['a person', { authenticated: true, audiences: [audience], user: { username: 'jane' } }],
    ['a node', { authenticated: true, audiences: [audience], user: { username: 'system:node:one' } }],
    [
      'a name that would shift the path',
      { authenticated: true, audiences: [audience], user: { username: 'system:serviceaccount:shop:orders/sa/admin' } },
    ],
    [
      'a name with more parts',
      { authenticated: true, audiences: [audience], user: { username: 'system:serviceaccount:a:b:c' } },
    ],
  ])('refuses %s', async (_, status) => {
    await expect(rig(says(status)).review.review(token, from)).rejects.toThrow(refused);
  });

  it.each([
    '',
    'a b',
    'a\r\nx: y',
    'x'.repeat(17_000),
    'a.b.c',
    `${token}.d`,
    kubernetesToken('x', { exp: undefined }),
    kubernetesToken('x', { exp: Date.now() / 1000 - 61 }),
    kubernetesToken('x', { aud: ['other'] }),
    kubernetesToken('x', { aud: undefined }),
    kubernetesToken('x'.repeat(17_000)),
  ])('asks nothing about what is no token for us', async (token) => {
    const { review, calls } = rig(says({}));
    await expect(review.review(token, from)).rejects.toThrow(refused);
    expect(calls).toEqual([]);
  });

  it.each<readonly [string, () => Promise<TokenReviewAnswer>]>([
    ['it may not ask', says({}, 403)],
    ['Kubernetes fails', says({}, 500)],
    ['Kubernetes is not there', () => Promise.reject(new Error('ECONNREFUSED'))],
    ['the answer is not JSON', async () => ({ status: 201, text: async () => '<html>' })],
    ['the answer is too long', async () => ({ status: 201, text: async () => ' '.repeat(300_000) })],
  ])('says that nothing is known when %s', async (_, answer) => {
    await expect(rig(answer).review.review(token, from)).rejects.toThrow(TokenReviewUnavailable);
  });

  it('asks no more than so many at a time, and again when one is done', async () => {
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { review } = rig(async () => {
      await held;
      return says({ authenticated: true, audiences: [audience], user })();
    }, 1);
    const first = review.review(token, from);
    await expect(review.review(token, from)).rejects.toThrow('too many');
    release();
    await first;
    expect(await review.review(token, from)).toEqual({ namespace: 'shop', serviceAccount: 'orders' });
  });

  it('asks no more than so many at a time for one address, and keeps places for signing', async () => {
    const { review, calls } = rig(() => new Promise(() => {}), 16);
    const asks = (host: string, signing: boolean, times: number): void => {
      for (let time = 0; time < times; time++) review.review(token, { host, signing }).catch(() => {});
    };
    asks('10.0.0.1', false, 10);
    expect(calls).toHaveLength(8);
    for (const host of ['10.0.0.2', '10.0.0.3']) asks(host, false, 8);
    expect(calls).toHaveLength(12);
    asks('10.0.0.4', true, 8);
    expect(calls).toHaveLength(16);
    await expect(review.review(token, { host: '10.0.0.5', signing: true })).rejects.toThrow('too many');
  });
});
