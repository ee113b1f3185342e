--- There may be room for the heads of these lines: their executions are claimable again.
-- @flags allow-oom
-- @brings nothing
-- @args lines: string[]
-- @reply string
-- @errors corruption schema_mismatch invalid_arguments
return function(u, a)
  for _, lid in ipairs(a[1]) do
    if not lines.is_id(lid) then call.refuse('invalid_arguments', 'a line') end
    lines.wake(u, lid)
  end
  flush.run(u)
  return ''
end
