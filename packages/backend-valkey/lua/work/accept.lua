--- As `work`, for a tick that brings submissions: without memory for new work the server refuses all of it, undone.
-- @brings caller
-- @args spaces: string[][], ends: [execution: string, attempt: int, lease: string, epoch: int, space: int, op: string, wish: string, at: int, failure: unknown, result: int][], routes: [rid: string, text: string, lane: string][], items: [id: string, route: int, priority: int, startMs: int, delayMs: int, policy: int, spec: string, hash: string, input: int][], claims: [instance: string, worker: string, claim: string, ttlMs: int, max: int, base: string, isRepeat: boolean, lanes: [lane: string, virtual: number, epoch: int, credit: int, seq: int, rids: string[]][], routes: int][]
-- @reply [ends: unknown[][], submissions: unknown[][], claims: unknown[][][], notes: [claim: int, lane: int, state: string, weight: number, active: int][], offers: [claim: int, line: string, items: [execution: string, lease: string, begins: boolean, quotas: [id: string, key: string, cost: number][], budgets: [id: string, estimate: unknown[]][], namespace: string][]][]]
-- @errors corruption schema_mismatch invalid_arguments
return work.run
