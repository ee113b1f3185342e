--- Lifts an operator's block. Other blocks stay.
-- @flags allow-oom
-- @repeat request
-- @brings record
-- @args namespace: string, id: string
-- @reply unknown[]
-- @errors corruption schema_mismatch not_found
return function(u, a)
  local x = operators.find(u, a[1], a[2])
  if x[X.phase] == 't' then return { 'execution_terminal', x[X.out] } end
  local is_escalated = x[X.phase] == 's' and x[X.waits][V.escalated] == 1
  if x[X.held] == 0 and not is_escalated then return { 'not_held' } end
  transition.touch(u, x)
  x[X.held] = 0
  if is_escalated then suspending.resume(u, x, 'o')
  elseif x[X.phase] == 'r' then transition.rejudge(u, x) end
  flush.run(u)
  return { 'released' }
end
