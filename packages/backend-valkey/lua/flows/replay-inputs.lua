--- Brings new inputs for a replay that was begun under that name. With the last of them it goes on. Answers whether
-- it still stands.
-- @flags
-- @brings submit
-- @args flow: string, name: string, items: [id: string, how: string, place: int, hash: string][], isLast: boolean
-- @reply boolean
-- @errors corruption schema_mismatch invalid_arguments
return function(u, a)
  local f = flows.get(u, a[1])
  if not f or f[F.state] ~= 'p' then return false end
  local plan = replaying.read(u, f)
  if plan[5] ~= a[2] then return false end
  if plan[1] ~= 'i' then return true end
  local list, ids = {}, {}
  for place, item in ipairs(a[3]) do
    ids[place] = item[1]
    list[place] = { item[1], item[2] == 'b' and call.bytes(u, item[3]) or false, item[4] }
  end
  graph.check_ids(ids)
  replaying.keep_inputs(u, f, plan, list, a[4])
  flush.run(u)
  return true
end
