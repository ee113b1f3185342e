-- What people do to executions.

-- Throws `not_found`, also for another namespace's.
function operators.find(u, namespace, id)
  local x = record.get(u, id)
  if not x or routes.of(u, x[X.rid]).ns ~= namespace then call.refuse('not_found', id) end
  return x
end
