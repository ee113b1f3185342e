import { defineConfig } from 'tsup'
import { preset } from '../../scripts/tsup-preset.js'

export default defineConfig(
  preset({ index: 'src/index.ts', 'keys/index': 'src/keys/index.ts', 'wire/index': 'src/wire/index.ts' }),
)
