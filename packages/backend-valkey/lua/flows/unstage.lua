--- Removes parts that will not be committed, a bounded number a call: those of this growth, or any whose time is over.
-- Answers how many are left, or -1 where they are not to be removed.
-- @flags allow-oom
-- @brings nothing
-- @args id: string, hash: string
-- @reply number
-- @errors corruption schema_mismatch
return function(u, a)
  local f = flows.get_any(u, a[1])
  if not f or f[F.staging] == '' then return 0 end
  if f[F.staging] ~= a[2] and f[F.stage_expires] > u.now then return -1 end
  staging.remove(u, a[1], f)
  flush.run(u)
  return f[F.staged]
end
