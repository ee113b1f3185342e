--- One more step of a replay of many members: `going`, `done`, or `again` when it was taken back since its members
-- are not as they were. Answers too how many members this step reset, and the flow's generation. `entry` goes where
-- there is nothing to do for it, or ''.
-- @flags allow-oom
-- @brings submit
-- @args flow: string, max: int, entry: string
-- @reply [outcome: string, members: number, generation: number]
-- @errors corruption schema_mismatch
return function(u, a)
  local f = flows.get(u, a[1])
  if not f or f[F.state] ~= 'p' or (a[3] ~= '' and replaying.read(u, f)[5] ~= a[3]) then
    if a[3] ~= '' then outbox.remove(u, a[3]) end
    flush.run(u)
    return { 'done', 0, f and f[F.generation] or 0 }
  end
  local outcome, n = replaying.next(u, f, a[2])
  resolve.fresh(u)
  flush.run(u)
  return { outcome, n, f[F.generation] }
end
