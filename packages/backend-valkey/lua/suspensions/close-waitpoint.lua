--- Has a waitpoint take no more signals. Answers the letter of its state before.
-- @flags allow-oom
-- @repeat request
-- @brings record
-- @args namespace: string, id: string
-- @reply string
-- @errors corruption schema_mismatch not_found
return function(u, a)
  local x, row = waitpoints.find(u, a[1], a[2])
  local before = waitpoints.state(u, x, row)
  if before ~= 'e' and row[5] == 0 then
    row[5] = 1
    waitpoints.put(u, x, a[2], row)
    flush.run(u)
  end
  return before
end
