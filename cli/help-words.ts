/** `outrigger help identity token create` is `outrigger identity token create --help`. commander's own `help` knows commands of the first level only. */

/** `words`: behind the program's name. */
export function helpWords(words: readonly string[]): readonly string[] {
  const [first, ...path] = words;
  // The sidecar's help is that of a program of its own, which commander's `help` prints.
  if (first !== 'help' || path[0] === 'sidecar' || path.some((word) => word.startsWith('-'))) return words;
  return [...path, '--help'];
}
