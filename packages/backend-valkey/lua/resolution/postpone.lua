--- Puts off an entry of the outbox that could not be carried out. Answers how often that has happened.
-- @flags allow-oom
-- @brings nothing
-- @args entry: string
-- @reply number
-- @errors schema_mismatch
return function(u, a)
  local item = outbox.read(u, { a[1] })[a[1]]
  if item == nil then return 0 end
  outbox.put_off(u, a[1], item or nil)
  flush.run(u)
  return item and item[6] or 0
end
