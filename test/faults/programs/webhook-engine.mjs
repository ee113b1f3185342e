// An engine that delivers webhooks, on the built packages. A request that it made and did not record is due again after a second.
import { parseSigningSecrets } from '@flowfabric/core'
import { createEmbedded } from '@flowfabric/embedded'

const { FF_STORE: store, FF_VALKEY: valkey, FF_KEYS: keys } = process.env

const embedded = await createEmbedded({
  store,
  ...(valkey === undefined ? {} : { valkey: JSON.parse(valkey) }),
  signingSecrets: parseSigningSecrets(keys),
  scanners: { webhookDispatcher: { leaseMs: 1_000 } },
  engine: { webhooks: { allow: ['127.0.0.0/8'], allowHttp: true }, heartbeatMs: 200, aliveMs: 1_000 },
})
await embedded.start()
