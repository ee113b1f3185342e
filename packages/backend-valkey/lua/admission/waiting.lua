--- Of each whether it waits for that under its token.
-- @flags no-writes
-- @args waiters: [name: string, waiter: string, token: string][]
-- @reply boolean[]
-- @errors corruption schema_mismatch
return function(u, a)
  local answers = {}
  for place, each in ipairs(a[1]) do answers[place] = resources.is_waiting(u, each[1], each[2], each[3]) end
  return answers
end
