--- Carries out entries of the outbox: these, or those that are due. Entries of other kinds than ends, settlements
-- that take a whole graph, are only named in `others`. `more`: some are due after it. `cancels`: losers of races are
-- to be cancelled.
-- @flags allow-oom
-- @brings nothing
-- @args entries: string[], max: int, edges: int
-- @reply [items: unknown[][], others: [kind: string, entry: string, flow: string, what: unknown[]][], more: boolean, cancels: boolean]
-- @errors corruption schema_mismatch invalid_arguments
return function(u, a)
  local key = u.key.idx .. 'completions'
  local ids = a[1]
  if #ids == 0 then ids = redis.call('ZRANGE', key, '-inf', u.now, 'BYSCORE', 'LIMIT', 0, a[2]) end
  u.edges_left = math.min(u.edges_left, a[3])
  local items, others = dispatching.carry(u, ids)
  resolve.fresh(u)
  flush.run(u)
  local next_one = redis.call('ZRANGE', key, '-inf', u.now, 'BYSCORE', 'LIMIT', 0, 1)
  return { items, others, #next_one > 0, redis.call('EXISTS', u.key.idx .. 'pending_cancel_groups') == 1 }
end
