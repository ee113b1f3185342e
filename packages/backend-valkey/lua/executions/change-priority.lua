--- Changes the priority of what is not terminal.
-- @flags allow-oom
-- @repeat request
-- @brings record
-- @args namespace: string, id: string, priority: int
-- @reply unknown[]
-- @errors corruption schema_mismatch not_found invalid_arguments
return function(u, a)
  if not policy.is_priority(a[3]) then call.refuse('invalid_arguments', 'a priority') end
  local x = operators.find(u, a[1], a[2])
  if x[X.phase] == 't' then return { 'execution_terminal', x[X.out] } end
  transition.touch(u, x)
  x[X.priority] = a[3]
  transition.write_score(u, x)
  flush.run(u)
  return { 'changed' }
end
