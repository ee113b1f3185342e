/** Executions by themselves: plain, retried, hopeless, in a capped lane, with steps, delayed, and cancelled before they start. */
import { mintUuid } from '@flowfabric/core'
import { nowMs } from '../ledger.js'
import type { RoleFactory, Stage } from '../role.js'

export const work: RoleFactory = ({ ledger, basics }) => {
  const submit = ({ client, below }: Stage, lot: number) => {
    const key = lot % 5 === 0 ? { idempotencyKey: mintUuid() } : {}
    if (lot < 8) return client.submit(basics.quick, { ms: below(20) }, key)
    if (lot < 10) return client.submit(basics.quick, { ms: 300 + below(300) }, key)
    if (lot < 12) return client.submit(basics.slots, { ms: below(20) }, key)
    if (lot < 14) return client.submit(basics.flaky, { failures: 1 + below(2) }, key)
    if (lot < 15) return client.submit(basics.hopeless, undefined, key)
    if (lot < 16) return client.submit(basics.stepping, undefined, key)
    if (lot < 18) return client.submit(basics.left, { ms: 0 }, key)
    return client.submit(basics.quick, { ms: 0 }, { ...key, delayMs: lot === 18 ? 200 : 3_000 })
  }
  const one = async (stage: Stage) => {
    const lot = stage.below(20)
    const beganAtMs = nowMs()
    const handle = await submit(stage, lot)
    ledger.note('execution', { id: handle.id, beganAtMs, atMs: nowMs() })
    if (lot !== 19) return
    // Well before it is due.
    const cancelledAtMs = nowMs()
    await handle.cancel().then(
      ({ outcome }) => {
        const end = { outcome: 'cancelled', generation: 1, beganAtMs: cancelledAtMs, atMs: nowMs() } as const
        if (outcome === 'cancelled') ledger.note('end', { id: handle.id, ...end })
      },
      (error: unknown) => ledger.refused(error, handle.id),
    )
  }
  return {
    name: 'work',
    weight: 50,
    tasks: Object.values(basics),
    async act(stage) {
      const turn = Array.from({ length: 1 + stage.below(4) }, () => one(stage))
      await Promise.all(turn.map((each) => each.catch((error: unknown) => ledger.refused(error))))
    },
    // Their submissions, ends and results are judged for all roles alike.
    judge: async () => {},
  }
}
