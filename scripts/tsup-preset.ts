import type { Options } from 'tsup'

/** How every package is built: ESM for Node 20.19 with source maps, nothing bundled in. */
export const preset = (entry: Record<string, string>): Options => ({
  entry,
  format: 'esm',
  target: 'node20.19',
  platform: 'node',
  sourcemap: true,
  splitting: true,
  // The declarations are made for themselves, by `emit-declarations.mjs`: they take the compiler.
  clean: ['!**/*.d.ts'],
})
