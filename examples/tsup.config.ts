import { defineConfig } from 'tsup'
import { preset } from '../scripts/tsup-preset.js'

// Programs, not a library: no declarations.
export default defineConfig({ ...preset({ 'census/main': 'src/census/main.ts' }), dts: false })
