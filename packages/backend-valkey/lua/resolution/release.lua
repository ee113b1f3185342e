--- The next batch of members that a seal, or the commit of a staged graph, left to let go. Answers how many records
-- it changed.
-- @flags allow-oom
-- @brings nothing
-- @args entry: string, max: int
-- @reply number
-- @errors corruption schema_mismatch
return function(u, a)
  local item = outbox.read(u, { a[1] })[a[1]]
  if not item then return 0 end
  release.carry(u, a[1], item, a[2])
  local n = #u.dirty
  resolve.fresh(u)
  flush.run(u)
  return n
end
