import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { onTestFinished } from 'vitest'

/** The way to a real server that says of itself that its major version is 6; ends with the test. Answers its address. */
export async function showAsOlder(port: number): Promise<string> {
  const door = createServer((client) => {
    const server = connect(port, '127.0.0.1')
    client.pipe(server)
    server.on('data', (bytes) => client.write(Buffer.from(older(bytes.toString('latin1')), 'latin1')))
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('error', () => other.destroy()).on('close', () => other.destroy())
    }
  })
  door.listen(0, '127.0.0.1')
  await once(door, 'listening')
  onTestFinished(() => void door.close())
  return `valkey://127.0.0.1:${(door.address() as AddressInfo).port}`
}

/** As long as before: a reply says its length first. */
function older(text: string): string {
  return text.replace(
    /(valkey_version:)(\d+)/,
    (_all, name: string, major: string) => `${name}${'6'.padStart(major.length, '0')}`,
  )
}
