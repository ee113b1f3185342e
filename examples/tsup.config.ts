import { defineConfig } from 'tsup'
import { preset } from '../scripts/tsup-preset.js'

export default defineConfig(
  preset({ 'approval/main': 'src/approval/main.ts', 'census/main': 'src/census/main.ts' }),
)
