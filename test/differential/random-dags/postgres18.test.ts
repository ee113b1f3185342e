import { describeRandomDags } from './against-oracle.js'

describeRandomDags('postgres18')
