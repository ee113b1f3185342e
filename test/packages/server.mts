// The server as a dependency of one's own program, and the one that its command has started beside it.
import assert from 'node:assert/strict'
import { startServer } from '@flowfabric/server'

assert.equal(typeof startServer, 'function')

const { FF_URL: url } = process.env
const health = await fetch(`${url}/healthz`)
assert.equal(health.status, 200)
const description = (await (await fetch(`${url}/v1/openapi.json`)).json()) as { openapi: string }
assert.match(description.openapi, /^3\.1\./)
const unknown = await fetch(`${url}/v1/executions`)
assert.equal(unknown.status, 401)
assert.match(unknown.headers.get('content-type') ?? '', /problem\+json/)
