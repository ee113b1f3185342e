--- Puts an operator's block on an execution that does not run.
-- @flags allow-oom
-- @repeat request
-- @brings record
-- @args namespace: string, id: string
-- @reply unknown[]
-- @errors corruption schema_mismatch not_found
return function(u, a)
  local x = operators.find(u, a[1], a[2])
  if x[X.phase] == 't' then return { 'execution_terminal', x[X.out] } end
  if x[X.phase] == 'a' then return { 'execution_active' } end
  if x[X.held] == 1 then return { 'already_held' } end
  transition.touch(u, x)
  x[X.held] = 1
  if x[X.phase] == 'r' then transition.rejudge(u, x) end
  flush.run(u)
  return { 'held' }
end
