/**
 * A build plugin: modules of Node are had by `process.getBuiltinModule`, and only the named properties are read. An `import` of one reads every property that it has, which loads what is
 * behind the lazy ones: node:fs brings fs/promises and readline, node:util MIME types and a diff, node:crypto WebCrypto.
 */
import type { Plugin } from 'esbuild';

export const leanBuiltins: Plugin = {
  name: 'lean-builtins',
  setup(build) {
    build.onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: 'builtin', sideEffects: false }));
    build.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => {
      const names = Object.keys(process.getBuiltinModule(path) ?? {}).filter((name) => /^[a-zA-Z_]\w*$/.test(name));
      // Pure, so that the bundler drops what nobody names.
      const lines = names
        .filter((name) => name !== 'default')
        .map(
          (name) =>
            `const the_${name} = /* @__PURE__ */ (() => builtin.${name})();\nexport { the_${name} as ${name} };`,
        );
      return {
        contents: `const builtin = /* @__PURE__ */ process.getBuiltinModule('${path}');\nexport default builtin;\n${lines.join('\n')}\n`,
      };
    });
  },
};
