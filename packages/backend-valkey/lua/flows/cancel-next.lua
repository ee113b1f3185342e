--- Ends the next members of a flow that is being ended in several steps. Answers how many, how many are open, and
-- whether that is done.
-- @flags allow-oom
-- @brings terminal
-- @args flow: string, max: int
-- @reply [ended: number, open: number, isDone: boolean]
-- @errors corruption schema_mismatch
return function(u, a)
  local f = flows.get(u, a[1])
  if not f or f[F.walk] <= 0 then
    aside.cut(u, u.key.idx .. 'cancel_backlog', a[1])
    flush.run(u)
    return { 0, f and f[F.open] or 0, true }
  end
  local ended, is_done = cancels.next(u, f, a[2])
  resolve.fresh(u)
  flush.run(u)
  return { ended, f[F.open], is_done }
end
