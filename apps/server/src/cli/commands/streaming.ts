import { parseExecutionIdUrl } from '@flowfabric/core'
import { createClient, jsonCodec, type StreamFrame } from '@flowfabric/sdk'
import type { Command } from 'commander'
import { type ClientFlags, withClientOptions, withConnection } from '../connect.js'
import { formatJson, formatTime, readBytes } from '../format.js'
import type { Terminal } from '../terminal.js'

interface StreamFlags extends ClientFlags {
  readonly attempt?: string
  readonly cursor?: string
  readonly summary?: boolean
}

/** `stream`: what the handlers of an execution emit, a line a frame, until it has ended. */
export function addStreaming(program: Command, terminal: Terminal): void {
  withClientOptions(program.command('stream <id>').description('follow what an execution emits'))
    .option('--attempt <index>', 'only of this attempt')
    .option('--cursor <cursor>', 'go on after this')
    .option('--summary', 'the summary document instead')
    .action((id: string, flags: StreamFlags) =>
      withConnection(terminal, flags, async ({ backend, namespace }) => {
        // What a codec has encoded is shown as base64.
        const codec = { ...jsonCodec, decode: readBytes }
        const client = createClient({ connect: { backend, namespace }, codec })
        const handle = client.handle(parseExecutionIdUrl(id))
        const attempt = flags.attempt === undefined ? undefined : Number(flags.attempt)
        if (flags.summary) {
          const summary = await handle.summary({ attempt })
          return terminal.out(flags.json ? JSON.stringify(summary) : formatJson(summary.document))
        }
        const { cursor } = flags
        for await (const frame of handle.stream({ attempt, cursor, signal: terminal.signal })) {
          terminal.out(flags.json ? JSON.stringify(frame) : describeFrame(frame))
        }
      }),
    )
}

function describeFrame({ atMs, attempt, number, type, data }: StreamFrame): string {
  return `${formatTime(atMs)}  ${attempt}.${number}${type === null ? '' : `  ${type}`}  ${JSON.stringify(data)}`
}
