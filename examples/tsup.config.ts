import { defineConfig } from 'tsup'
import { preset } from '../scripts/tsup-preset.js'

export default defineConfig(preset({ 'census/main': 'src/census/main.ts' }))
