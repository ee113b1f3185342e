import {
  type FencingRefusal,
  type FrameWrite,
  type FrameWriteOutcome,
  limits,
  must,
  type WriteFrames,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { createGroup, groupsByNamespaces } from '../db/group-commit.js'
import { handleColumns } from '../leases/handle-columns.js'
import { type RefusalRow, toRefusal } from '../leases/refusal.js'

interface WrittenRow extends RefusalRow {
  readonly ord: number
  readonly moved: boolean
  readonly next_number: number
  readonly epoch: number
  readonly lease_base: number
  readonly durable_frames: number
  readonly durable_bytes: number
  readonly patch_count: number
  readonly document: Uint8Array | null
  readonly written_at: number
}

/** Writes what was judged. What comes at the same time shares a statement. */
export function createFrameWriter(ctx: PostgresContext): WriteFrames {
  const groupOf = groupsByNamespaces((namespaces) =>
    createGroup<FrameWrite, WrittenRow>({
      itemsMax: 64,
      keyOf: ({ handle }) => handle.executionId,
      run: (writes) => runWrites(ctx, namespaces, writes),
    }),
  )
  return async (write) => {
    const outcome = toOutcome(await groupOf(write.namespaces).add(write))
    if (outcome.outcome === 'written' && write.frames.length > 0) {
      ctx.hints.emit({ type: 'frames', executionId: write.handle.executionId })
    }
    return outcome
  }
}

async function runWrites(
  ctx: PostgresContext,
  namespaces: readonly string[],
  writes: readonly FrameWrite[],
): Promise<readonly WrittenRow[]> {
  const frames = writes.flatMap((write, place) =>
    write.frames.map((frame) => ({ ...frame, owner: place + 1 })),
  )
  const rows = await ctx.db.call<WrittenRow>(
    `select * from ff.append_frames($1::integer[], $2::uuid[], $3::integer[], $4::uuid[], $5::bigint[],
       $6::integer[], $7::bigint[], $8::integer[], $9::integer[], $10::integer[], $11::bigint[], $12::integer[], $13::bytea[],
       $14::integer[], $15::integer[], $16::text[], $17::text[], $18::bytea[],
       $19::integer, $20::bigint, $21::bigint, $22::text[])`,
    [
      ...handleColumns(writes.map(({ handle }) => handle)),
      writes.map(({ expected }) => expected.nextNumber),
      writes.map(({ expected }) => expected.writtenAtMs),
      writes.map(({ head }) => head.nextNumber),
      writes.map(({ head }) => head.leaseBase),
      writes.map(({ head }) => head.durableFrames),
      writes.map(({ head }) => head.durableBytes),
      writes.map(({ head }) => head.patchCount),
      writes.map(({ expected, head }) => (head.document === expected.document ? null : head.document)),
      frames.map(({ owner }) => owner),
      frames.map(({ frameNumber }) => frameNumber),
      frames.map(({ mode }) => mode),
      frames.map(({ type }) => type),
      frames.map(({ frame }) => frame),
      limits.cappedFramesMax,
      limits.cappedBytesMax,
      limits.cappedAgeMsMax,
      namespaces,
    ],
  )
  const inOrder: WrittenRow[] = []
  for (const row of rows) inOrder[row.ord - 1] = row
  return inOrder
}

function toOutcome(row: WrittenRow): FrameWriteOutcome {
  const refusal = toRefusal(row)
  // An append has no recorded answer to be repeated.
  if (refusal !== undefined) return refusal as FencingRefusal
  const writtenAtMs = must(row.written_at, 'the time of the last append')
  if (!row.moved) return { outcome: 'written', writtenAtMs }
  return {
    outcome: 'moved',
    head: {
      nextNumber: row.next_number,
      epoch: row.epoch,
      leaseBase: row.lease_base,
      durableFrames: row.durable_frames,
      durableBytes: row.durable_bytes,
      patchCount: row.patch_count,
      document: row.document,
      writtenAtMs,
    },
  }
}
