--- Goes on letting members go, after a seal or the commit of a staged graph. Answers whether that is done.
-- @flags allow-oom
-- @brings nothing
-- @args id: string, max: int
-- @reply boolean
-- @errors corruption schema_mismatch
return function(u, a)
  local f = flows.get(u, a[1])
  if not f then return true end
  local is_done = release.batch(u, a[1], f, a[2])
  resolve.fresh(u)
  flush.run(u)
  return is_done
end
