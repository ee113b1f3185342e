import * as scanners from '@flowfabric/scanners'

console.log(Object.keys(scanners).length)
