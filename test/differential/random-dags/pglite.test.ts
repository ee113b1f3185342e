import { describeRandomDags } from './against-oracle.js'

describeRandomDags('pglite')
