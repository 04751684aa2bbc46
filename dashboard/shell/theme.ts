/** Dark or light, and whether things move: as the machine says, unless somebody has chosen here. */
import { useEffect, useState } from 'preact/hooks';

export type Theme = 'dark' | 'light';

const key = 'outrigger-theme';
const dark = matchMedia('(prefers-color-scheme: dark)');
const reduced = matchMedia('(prefers-reduced-motion: reduce)');
const listeners = new Set<() => void>();

export function theme(): Theme {
  const chosen = localStorage.getItem(key);
  return chosen === 'dark' || chosen === 'light' ? chosen : dark.matches ? 'dark' : 'light';
}

export function switchTheme(): void {
  localStorage.setItem(key, theme() === 'dark' ? 'light' : 'dark');
  applyTheme();
}

export function applyTheme(): void {
  document.documentElement.dataset['theme'] = theme();
  for (const listener of listeners) listener();
}

export function followTheme(): void {
  applyTheme();
  dark.addEventListener('change', applyTheme);
}

export function useTheme(): Theme {
  const [now, setNow] = useState(theme());
  useEffect(() => {
    const look = (): void => setNow(theme());
    listeners.add(look);
    return () => void listeners.delete(look);
  }, []);
  return now;
}

/** True: nothing moves by itself. */
export function useStillness(): boolean {
  const [still, setStill] = useState(reduced.matches);
  useEffect(() => {
    const look = (): void => setStill(reduced.matches);
    reduced.addEventListener('change', look);
    return () => reduced.removeEventListener('change', look);
  }, []);
  return still;
}
