--- Ends an execution as cancelled; one that runs is asked first when there is a grace.
-- @flags allow-oom
-- @repeat request
-- @brings terminal
-- @args namespace: string, id: string, graceMs: int
-- @reply unknown[]
-- @errors corruption schema_mismatch not_found
return function(u, a)
  local x = operators.find(u, a[1], a[2])
  if x[X.phase] == 't' then return { 'execution_terminal', x[X.out] } end
  if x[X.phase] ~= 'a' or a[3] == 0 then
    transition.cancel(u, x, 'operator')
    resolve.fresh(u)
    flush.run(u)
    return { 'cancelled' }
  end
  -- Repeating never extends a grace.
  transition.touch(u, x)
  if x[X.asked] == '' or u.now + a[3] < x[X.grace] then x[X.grace] = u.now + a[3] end
  if x[X.asked] == '' then x[X.asked] = 'operator' end
  hints.attention(u, a[2])
  flush.run(u)
  return { 'cancelling', x[X.grace] }
end
