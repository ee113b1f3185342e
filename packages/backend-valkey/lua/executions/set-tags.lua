--- Sets and removes tags in one step, in any state. `tags` of the answer is the place of what was there before: the caller works
-- the new ones out and comes again with what it saw, until nobody was faster.
-- @flags
-- @repeat request
-- @brings record
-- @args namespace: string, id: string, seen: string, tags: string
-- @reply [isDone: boolean, tags: string, spec: string]
-- @errors corruption schema_mismatch not_found invalid_arguments
return function(u, a)
  if a[4] ~= '' and string.sub(a[4], 1, 1) ~= '{' then call.refuse('invalid_arguments', 'tags') end
  local x = operators.find(u, a[1], a[2])
  if a[3] ~= x[X.tags] or a[4] == '' then return { false, x[X.tags], x[X.spec] } end
  record.touch(u, x)
  x[X.tags] = a[4]
  flush.run(u)
  return { true, a[4], x[X.spec] }
end
