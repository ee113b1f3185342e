import { describe } from 'vitest'
import { playRandomDags } from './against-oracle.js'

describe('random DAGs against the oracle', () => playRandomDags('valkeyCluster'))
