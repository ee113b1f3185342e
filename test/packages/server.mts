import * as server from '@flowfabric/server'

console.log(Object.keys(server).length)
