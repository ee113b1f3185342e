import type { Options } from 'tsup'

/**
 * The scripts `build` and `declarations` of a package share this: the programs are made in a moment and
 * are all that starting needs, the declarations take a type checker.
 */
const isDeclarations = process.env.npm_lifecycle_event === 'declarations'

/** How every package is built: ESM for Node 20.19, declarations and source maps, nothing bundled in. */
export const preset = (entry: Record<string, string>): Options => ({
  entry,
  format: 'esm',
  target: 'node20.19',
  platform: 'node',
  sourcemap: true,
  splitting: true,
  // Each of the two leaves the other's files alone.
  clean: isDeclarations ? true : ['!**/*.d.ts'],
  // Against the built declarations of the other packages, as a user sees them.
  dts: isDeclarations ? { only: true, compilerOptions: { customConditions: [] } } : false,
})
