--- Entries of an index of the partition that were carried out: holders that were asked to go, or what followed from budgets.
-- @flags allow-oom
-- @brings nothing
-- @args index: string, members: string[]
-- @reply string
-- @errors corruption schema_mismatch invalid_arguments
return function(u, a)
  if a[1] ~= 'to_cancel' and a[1] ~= 'announcements' then call.refuse('invalid_arguments', 'an index') end
  for _, member in ipairs(a[2]) do flush.staged(u).cut(u.key.idx .. a[1], member) end
  resources.flush(u)
  return ''
end
