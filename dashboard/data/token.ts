/** The control plane's local token, which lets this tab change something: from the fragment of the address, or pasted. It is kept in the tab's own storage, and goes with the tab. */

const key = 'outrigger-token';
const listeners = new Set<() => void>();

export function token(): string {
  return sessionStorage.getItem(key) ?? '';
}

export function keepToken(text: string): void {
  sessionStorage.setItem(key, text.trim());
  for (const listener of listeners) listener();
}

export function forgetToken(): void {
  if (token() === '') return;
  sessionStorage.removeItem(key);
  for (const listener of listeners) listener();
}

export function onToken(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Fragments are never sent to a server; out of the address with it all the same, for who looks over a shoulder and for the history. */
export function takeTokenFromAddress(): void {
  const found = /^#(?:.*&)?token=([\x21-\x7e]+)$/.exec(location.hash)?.[1];
  if (found === undefined) return;
  keepToken(decodeURIComponent(found));
  history.replaceState(null, '', `${location.pathname}#/graph`);
}
