--- What a worker's tick brings to a partition: ends of attempts, submissions and claims, in this order, as one step: a claim may
-- get what was brought with it before it ever waited. One that fails leaves all of it undone.
-- @flags allow-oom
-- @brings caller
-- @args spaces: string[][], ends: [execution: string, attempt: int, lease: string, epoch: int, space: int, op: string, wish: string, at: int, failure: unknown, result: int][], routes: [rid: string, text: string, lane: string][], items: [id: string, route: int, priority: int, startMs: int, delayMs: int, policy: int, spec: string, hash: string, input: int][], claims: [instance: string, worker: string, claim: string, ttlMs: int, max: int, base: string, isRepeat: boolean, lanes: [lane: string, virtual: number, epoch: int, credit: int, seq: int, rids: string[]][], routes: int][], carries: boolean, carried: string[]
-- @reply [ends: unknown[][], submissions: unknown[][], claims: unknown[][][], notes: [claim: int, lane: int, state: string, weight: number, active: int][], offers: [claim: int, line: string, base: string, namespace: string, asks: [quotas: [id: string, key: string, cost: number][], budgets: [id: string, estimate: unknown[]][]][], items: [execution: string, number: int, begins: boolean, asks: int][]][], messages: [entry: string, what: unknown[]][]]
-- @errors corruption schema_mismatch invalid_arguments
return work.run
